package record

import (
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Unlisted is the path of the change that stands for the declared ones which did
// not fit: what they are can't be told any more.
const Unlisted = ellipsis

// changeList is what a record shows of an entry's changes.
type changeList struct {
	kept    []v1alpha1.Change
	omitted int
	lost    bool // declared ones are among the omitted
}

// renderChanges redacts and cuts each change. Where redaction took the
// difference of two paths away, they are one.
func renderChanges(e *Entry) changeList {
	r := newRedactor(e)
	l := changeList{omitted: e.Omitted, lost: e.DeclaredOmitted}
	for i, c := range e.Changes {
		if limit := maxRecord / 8; len(l.kept) > limit {
			l.omitted += len(e.Changes) - i
			l.lost = l.lost || slices.ContainsFunc(e.Changes[i:], func(c Change) bool { return c.Declared })
			break
		}
		c = r.change(c)
		rendered := v1alpha1.Change{Path: cut(c.Path, maxPath), From: text(c.From, c.HasFrom), To: text(c.To, c.HasTo)}
		same := slices.IndexFunc(l.kept, func(o v1alpha1.Change) bool {
			return o.Path == rendered.Path && o.From == rendered.From && o.To == rendered.To
		})
		if same >= 0 {
			l.kept[same].Declared = l.kept[same].Declared || c.Declared
			l.omitted++
			continue
		}
		rendered.Declared = c.Declared
		l.kept = append(l.kept, rendered)
	}
	return l
}

// fit keeps what there is room for, in its order. The declared ones come first,
// since their paths stay guarded; where there is too little room for their values,
// the paths alone are kept.
func (l *changeList) fit(room int) {
	all := l.kept
	shown := make([]*v1alpha1.Change, len(all))
	room -= size(unlisted()) + 1
	for i, c := range all {
		if !c.Declared {
			continue
		}
		bare := valueless(c)
		if n := size(bare) + 1; n <= room {
			shown[i], room = &bare, room-n
		} else {
			l.lost = true
		}
	}
	for i := range all {
		if shown[i] == nil {
			continue
		}
		if more := size(all[i]) - size(*shown[i]); more <= room {
			shown[i], room = &all[i], room-more
		}
	}
	for i := range all {
		if all[i].Declared {
			continue
		}
		if room -= size(all[i]) + 1; room < 0 {
			break
		}
		shown[i] = &all[i]
	}
	l.kept = nil
	for _, c := range shown {
		if c == nil {
			l.omitted++
			continue
		}
		l.kept = append(l.kept, *c)
	}
	if l.lost {
		l.kept = append(l.kept, unlisted())
	}
}

func unlisted() v1alpha1.Change { return v1alpha1.Change{Path: Unlisted, Declared: true} }

// valueless is a change that says which side there is, and no more.
func valueless(c v1alpha1.Change) v1alpha1.Change {
	for _, side := range []*string{&c.From, &c.To} {
		if *side != "" {
			*side = ellipsis
		}
	}
	return c
}
