package archive

import "testing"

// FuzzParseHead: a head that somebody noted is refused, or is the one that is written again.
func FuzzParseHead(f *testing.F) {
	for _, text := range []string{"", "0:", "7:" + digits, "00:" + digits, "9999999999999999999:" + digits, "18446744073709551616:" + digits} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		head, err := ParseHead(text)
		if err != nil {
			if head != (Head{}) {
				t.Errorf("an error and a head: %+v", head)
			}
			return
		}
		again, err := ParseHead(head.String())
		if err != nil || again != head {
			t.Errorf("%q is %+v, and again %+v: %v", text, head, again, err)
		}
	})
}

// digits are as many as a hash has.
const digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
