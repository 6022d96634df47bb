package archive

import (
	"bytes"
	"testing"
)

// BenchmarkVerify: how fast a chain is checked.
func BenchmarkVerify(b *testing.B) {
	c := chain{at: noon()}
	if err := c.start(SinkFile, becauseNew); err != nil {
		b.Fatal(err)
	}
	rec := denied(1)
	for len(rec.Spec.Message) < 1000 { // a record takes 2 to 3 KB
		rec.Spec.Message += "apps/Deployment prod/web is changed through git only. "
	}
	for range 10000 {
		line, next, err := Encode(c.head, c.at, rec)
		if err := c.put(line, next, err); err != nil {
			b.Fatal(err)
		}
	}
	text := c.out.Bytes()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		v := &Verifier{Head: &c.head}
		if err := v.Read(b.Context(), "a", bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
		if r := v.Finish(); !r.Intact {
			b.Fatal(r)
		}
	}
}
