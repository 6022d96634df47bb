package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Format is the first value of each line.
const Format = "archive/v1"

const (
	linePrefix = `{"gitlatch":"` + Format + `"`
	hashKey    = `,"hash":"`
	lineEnd    = `"}`
	hashLength = 2 * sha256.Size
)

// MaxLine bounds a line, in bytes; the API server stores no object as large.
const MaxLine = 4 << 20

// Head is the end of a chain: its last line. The zero value is that of a chain with no
// line yet.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// none is the hash before the first line.
const none = "0000000000000000000000000000000000000000000000000000000000000000"

// String is the form that `kubectl gitlatch archive verify --head` takes.
func (h Head) String() string { return strconv.FormatUint(h.Seq, 10) + ":" + h.hash() }

func (h Head) hash() string {
	if h.Hash == "" {
		return none
	}
	return h.Hash
}

var headForm = regexp.MustCompile(`^([0-9]{1,19}):([0-9a-f]{64})$`)

// ParseHead reads what [Head.String] wrote.
func ParseHead(text string) (Head, error) {
	match := headForm.FindStringSubmatch(text)
	if match == nil {
		return Head{}, fmt.Errorf("reading the head %.100q: it must be a number, a colon and 64 hexadecimal digits", text)
	}
	seq, err := strconv.ParseUint(match[1], 10, 64)
	if err != nil {
		return Head{}, fmt.Errorf("reading the head %q: %w", text, err)
	}
	if seq == 0 {
		return Head{}, nil
	}
	return Head{Seq: seq, Hash: match[2]}, nil
}

// Start says why a stretch begins.
type Start struct {
	// Sink is what keeps the lines: file, stdout or postgres.
	Sink string `json:"sink"`
	// Because is for people.
	Because string `json:"because"`
}

// envelope is a line but its hash.
type envelope struct {
	Format     string                 `json:"gitlatch"`
	Seq        uint64                 `json:"seq"`
	Prev       string                 `json:"prev"`
	ArchivedAt time.Time              `json:"archivedAt"`
	Start      *Start                 `json:"start,omitempty"`
	Record     *v1alpha1.ChangeRecord `json:"record,omitempty"`
}

// Encode makes the line that follows head, without a newline.
func Encode(head Head, at time.Time, rec *v1alpha1.ChangeRecord) ([]byte, Head, error) {
	whole := *rec
	whole.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecord"))
	line, next, err := encode(head, envelope{ArchivedAt: at, Record: &whole})
	if err != nil {
		return nil, Head{}, fmt.Errorf("encoding record %s: %w", rec.Name, err)
	}
	return line, next, nil
}

// EncodeStart makes the line that begins a stretch after head, without a newline.
func EncodeStart(head Head, at time.Time, start Start) ([]byte, Head, error) {
	line, next, err := encode(head, envelope{ArchivedAt: at, Start: &start})
	if err != nil {
		return nil, Head{}, fmt.Errorf("encoding the start of a stretch: %w", err)
	}
	return line, next, nil
}

func encode(head Head, e envelope) ([]byte, Head, error) {
	e.Format, e.Seq, e.Prev, e.ArchivedAt = Format, head.Seq+1, head.hash(), e.ArchivedAt.UTC().Truncate(time.Microsecond)
	body, err := json.Marshal(e)
	if err != nil {
		return nil, Head{}, err
	}
	body = body[:len(body)-1] // the closing brace comes after the hash
	next := Head{Seq: e.Seq, Hash: hashOf(body)}
	return append(body, hashKey+next.Hash+lineEnd...), next, nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Line is what verification reads of a line.
type Line struct {
	Seq        uint64
	Prev, Hash string
	// Intact says that the hash is that of the content.
	Intact bool
	// Start is set on a line that begins a stretch.
	Start *Start
	// Record, UID and Version name the record.
	Record, UID, Version string
}

// Head is the end of a chain that ends with this line.
func (l *Line) Head() Head { return Head{Seq: l.Seq, Hash: l.Hash} }

var (
	errNoLine   = errors.New("it is no line of an archive")
	hexadecimal = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// IsLine says that text is meant to be a line of an archive, and not one of a log.
func IsLine(text []byte) bool { return bytes.HasPrefix(text, []byte(linePrefix)) }

// ParseLine reads a line, which has no newline. A line whose hash doesn't fit is no
// error: see [Line.Intact].
func ParseLine(text []byte) (Line, error) {
	tail := len(hashKey) + hashLength + len(lineEnd)
	if len(text) > MaxLine || len(text) < tail || !IsLine(text) {
		return Line{}, errNoLine
	}
	body, rest := text[:len(text)-tail], string(text[len(text)-tail:])
	hash := strings.TrimSuffix(strings.TrimPrefix(rest, hashKey), lineEnd)
	if len(hash) != hashLength || !hexadecimal.MatchString(hash) {
		return Line{}, errNoLine
	}
	var e struct {
		Seq    uint64 `json:"seq"`
		Prev   string `json:"prev"`
		Start  *Start `json:"start"`
		Record *struct {
			Metadata struct {
				Name            string `json:"name"`
				UID             string `json:"uid"`
				ResourceVersion string `json:"resourceVersion"`
			} `json:"metadata"`
		} `json:"record"`
	}
	if err := json.Unmarshal(text, &e); err != nil || e.Seq == 0 || !hexadecimal.MatchString(e.Prev) || (e.Start == nil) == (e.Record == nil) {
		return Line{}, errNoLine
	}
	l := Line{Seq: e.Seq, Prev: e.Prev, Hash: hash, Intact: hashOf(body) == hash, Start: e.Start}
	if e.Record != nil {
		m := e.Record.Metadata
		l.Record, l.UID, l.Version = m.Name, m.UID, m.ResourceVersion
	}
	return l, nil
}
