package access

import "slices"

// Selection narrows a report. Its zero value leaves out what is expected, and nothing
// else.
type Selection struct {
	// Subject whose rights are asked for, with those of the groups that it is surely in.
	// nil: everybody's.
	Subject *Subject
	// Namespace that a right must reach. "": any.
	Namespace string
	// Open leaves out what the gate holds back.
	Open bool
	// All keeps what is expected.
	All bool
}

// Select returns the findings of a selection.
func (r *Report) Select(s Selection) []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool {
		return f.Expected != "" && !s.All || f.Held && s.Open ||
			s.Namespace != "" && f.Namespace != "" && f.Namespace != s.Namespace ||
			s.Subject != nil && f.Subject != *s.Subject && !slices.Contains(s.Subject.groups(), f.Subject)
	})
}
