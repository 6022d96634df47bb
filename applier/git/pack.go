package git

import (
	"bytes"
	"crypto/sha1" // git's own
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// maxDelta is the largest object that a pack may hold as a delta. Git's own servers send what is over 512 MiB whole,
// and only a whole object is hashed without being held in memory.
const maxDelta = 128 << 20

// packed is one object of a pack that is being indexed.
type packed struct {
	offset   int64
	hash     plumbing.Hash // zero until it is known
	crc      uint32
	resolved bool
	kind     plumbing.ObjectType // of the entry first, of the object when it is known
}

// indexer reads a pack that came from outside, and makes its index. It holds a few words for each object and the
// contents along one chain of deltas, whatever the size of the pack; go-git's own holds every object once and a cache
// of 96 MiB.
type indexer struct {
	scanner  *packfile.Scanner
	objects  []packed
	byOffset map[int64][]int32 // children by the offset of their base
	byHash   map[plumbing.Hash][]int32
}

// indexPack makes the index of a whole pack file, beside it, and returns the pack's checksum. Every object was
// inflated, hashed, and has its base in the same pack; the checksum at the end was compared.
func indexPack(path string) (plumbing.Hash, error) {
	f, err := os.Open(path)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer f.Close()
	sum, err := checksum(f)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	x := &indexer{scanner: packfile.NewScanner(f), byOffset: map[int64][]int32{}, byHash: map[plumbing.Hash][]int32{}}
	if err := x.scan(); err != nil {
		return plumbing.ZeroHash, fmt.Errorf("%w: scanning the pack: %w", ErrCorrupt, err)
	}
	for i := range x.objects {
		if o := &x.objects[i]; !o.kind.IsDelta() && x.hasChildren(o) {
			if err := x.resolve(int32(i)); err != nil {
				return plumbing.ZeroHash, err
			}
		}
	}
	return sum, x.write(path[:len(path)-len(filepath.Ext(path))]+".idx", sum)
}

// checksum compares a pack, or an index, with the SHA-1 at its end.
func checksum(f *os.File) (plumbing.Hash, error) {
	var sum plumbing.Hash
	info, err := f.Stat()
	if err != nil {
		return sum, err
	}
	if info.Size() < 12+sha1.Size {
		return sum, fmt.Errorf("%w: a file of %d bytes", ErrCorrupt, info.Size())
	}
	hash := sha1.New()
	if _, err := io.Copy(hash, io.NewSectionReader(f, 0, info.Size()-sha1.Size)); err != nil {
		return sum, err
	}
	if _, err := f.ReadAt(sum[:], info.Size()-sha1.Size); err != nil {
		return sum, err
	}
	if !bytes.Equal(hash.Sum(nil), sum[:]) {
		return sum, fmt.Errorf("%w: the checksum of %s is wrong", ErrCorrupt, filepath.Base(f.Name()))
	}
	return sum, nil
}

// scan reads the pack once from its beginning to its end, and hashes what is whole.
func (x *indexer) scan() error {
	_, count, err := x.scanner.Header()
	if err != nil {
		return err
	}
	x.objects = make([]packed, 0, min(count, 1<<20)) // the number is the sender's word
	for range count {
		header, err := x.scanner.NextObjectHeader()
		if err != nil {
			return err
		}
		o, sink := packed{offset: header.Offset, kind: header.Type}, io.Discard
		index := int32(len(x.objects))
		var hasher plumbing.Hasher
		switch header.Type {
		case plumbing.OFSDeltaObject:
			x.byOffset[header.OffsetReference] = append(x.byOffset[header.OffsetReference], index)
		case plumbing.REFDeltaObject:
			x.byHash[header.Reference] = append(x.byHash[header.Reference], index)
		default:
			hasher = plumbing.NewHasher(header.Type, header.Length)
			sink = hasher
		}
		if _, o.crc, err = x.scanner.NextObject(sink); err != nil {
			return err
		}
		if !header.Type.IsDelta() {
			o.hash, o.resolved = hasher.Sum(), true
		}
		x.objects = append(x.objects, o)
	}
	return nil
}

func (x *indexer) hasChildren(o *packed) bool {
	return len(x.byOffset[o.offset]) > 0 || len(x.byHash[o.hash]) > 0
}

// pending is a delta whose base's content is known.
type pending struct {
	index int32
	base  []byte
}

// resolve applies every delta that hangs on an object. What waits on the stack keeps a base alive, so that along a
// plain chain only two contents are held.
func (x *indexer) resolve(root int32) error {
	base := &x.objects[root]
	content, err := x.inflate(base)
	if err != nil {
		return err
	}
	stack := x.children(nil, base, content)
	for len(stack) > 0 {
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		o := &x.objects[next.index]
		if o.resolved {
			continue
		}
		delta, err := x.inflate(o)
		if err != nil {
			return err
		}
		content, err := apply(next.base, delta)
		if err != nil {
			return err
		}
		o.kind, o.resolved = base.kind, true
		o.hash = plumbing.ComputeHash(o.kind, content)
		if x.hasChildren(o) {
			stack = x.children(stack, o, content)
		}
	}
	return nil
}

func (x *indexer) children(stack []pending, o *packed, content []byte) []pending {
	for _, of := range [][]int32{x.byOffset[o.offset], x.byHash[o.hash]} {
		for _, index := range of {
			stack = append(stack, pending{index: index, base: content})
		}
	}
	return stack
}

func (x *indexer) inflate(o *packed) ([]byte, error) {
	header, err := x.scanner.SeekObjectHeader(o.offset)
	if err != nil {
		return nil, fmt.Errorf("%w: reading a pack: %w", ErrCorrupt, err)
	}
	if header.Length > maxDelta {
		return nil, problem(ErrTooLarge, "an object of %d bytes with deltas on it is larger than %d", header.Length, maxDelta)
	}
	buffer := bytes.NewBuffer(make([]byte, 0, header.Length))
	if _, _, err := x.scanner.NextObject(buffer); err != nil {
		return nil, fmt.Errorf("%w: reading a pack: %w", ErrCorrupt, err)
	}
	return buffer.Bytes(), nil
}

// apply makes an object of its base and a delta.
func apply(base, delta []byte) ([]byte, error) {
	if size, ok := targetSize(delta); !ok || size > maxDelta {
		return nil, problem(ErrTooLarge, "a delta makes an object larger than %d bytes", maxDelta)
	}
	content, err := packfile.PatchDelta(base, delta)
	if err != nil {
		return nil, fmt.Errorf("%w: applying a delta: %w", ErrCorrupt, err)
	}
	return content, nil
}

// targetSize reads the second of the two numbers that a delta begins with.
func targetSize(delta []byte) (size uint64, ok bool) {
	for range 2 {
		size, ok = 0, false
		for shift := 0; len(delta) > 0 && shift < 63; shift += 7 {
			b := delta[0]
			delta = delta[1:]
			size |= uint64(b&0x7f) << shift
			if b&0x80 == 0 {
				ok = true
				break
			}
		}
		if !ok {
			return 0, false
		}
	}
	return size, true
}

// write puts the index on disk. An object without its base means that the pack is not whole.
func (x *indexer) write(path string, sum plumbing.Hash) error {
	writer := new(idxfile.Writer)
	if err := writer.OnHeader(uint32(len(x.objects))); err != nil {
		return err
	}
	for i := range x.objects {
		o := &x.objects[i]
		if !o.resolved {
			return fmt.Errorf("%w: a pack has a delta without its base", ErrCorrupt)
		}
		writer.Add(o.hash, uint64(o.offset), o.crc)
	}
	if err := writer.OnFooter(sum); err != nil {
		return err
	}
	index, err := writer.Index()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = idxfile.NewEncoder(f).Encode(index)
	return errors.Join(err, f.Sync(), f.Close())
}
