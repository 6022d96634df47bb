package git

import (
	"crypto/sha1" // git's own
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
)

// manyPacks is how many packs a repository may have before the small ones are made one: each fetch brings one, and
// each is looked into for every object.
const manyPacks = 32

// tidy makes one pack of all but the largest once there are many. Packs are only put behind one another: a delta names
// its base by distance, which stays, or by hash. So it takes no memory to speak of, and loses nothing that a rewritten
// branch left behind.
func (r *Repository) tidy() error {
	packs, err := filepath.Glob(filepath.Join(r.path, "objects", "pack", "pack-*.pack"))
	if err != nil || len(packs) <= manyPacks {
		return err
	}
	largest, size := "", int64(-1)
	for _, pack := range packs {
		info, err := os.Stat(pack)
		if err != nil {
			return err
		}
		if info.Size() > size {
			largest, size = pack, info.Size()
		}
	}
	packs = slices.DeleteFunc(packs, func(pack string) bool { return pack == largest })
	into, err := receive(r.path, 0)
	if err != nil {
		return err
	}
	defer into.close()
	joined := filepath.Join(into.staging, "joined.pack")
	if err := join(joined, packs); err != nil {
		return fmt.Errorf("joining %d packs: %w", len(packs), err)
	}
	if err := into.place(joined); err != nil {
		return fmt.Errorf("joining %d packs: %w", len(packs), err)
	}
	for _, pack := range packs {
		if err := errors.Join(os.Remove(pack), os.Remove(strings.TrimSuffix(pack, ".pack")+".idx")); err != nil {
			return err
		}
	}
	d, err := openDisk(osfs.New(r.path))
	if err != nil {
		return err
	}
	r.exchange(d)
	return nil
}

// join writes the objects of several packs as one.
func join(path string, packs []string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	hash := sha1.New()
	err = joinInto(io.MultiWriter(f, hash), packs)
	if err == nil {
		_, err = f.Write(hash.Sum(nil))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

func joinInto(to io.Writer, packs []string) error {
	var count uint32
	for _, pack := range packs {
		header, err := readHeader(pack)
		if err != nil {
			return err
		}
		count += binary.BigEndian.Uint32(header[8:])
	}
	if _, err := to.Write(binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), count)); err != nil {
		return err
	}
	for _, pack := range packs {
		if err := appendObjects(to, pack); err != nil {
			return err
		}
	}
	return nil
}

func readHeader(pack string) ([12]byte, error) {
	var header [12]byte
	f, err := os.Open(pack)
	if err != nil {
		return header, err
	}
	defer f.Close()
	_, err = io.ReadFull(f, header[:])
	return header, err
}

func appendObjects(to io.Writer, pack string) error {
	f, err := os.Open(pack)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.NewSectionReader(f, 12, info.Size()-12-sha1.Size))
	return err
}
