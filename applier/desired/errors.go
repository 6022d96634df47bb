package desired

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// maxErrors is how many errors of one folder are shown: enough to mend it, few enough
// for a condition.
const maxErrors = 20

// worst joins what a run found: what is wrong with the files that it read, which is why
// a renderer failed, and else its own error. Each is told once, in order of file.
func worst(files, render error) error {
	found := leaves(files)
	for _, err := range leaves(render) {
		if typed := (*Error)(nil); len(found) > 0 && errors.As(err, &typed) && typed.Reason == ReasonRender {
			continue
		}
		found = append(found, err)
	}
	slices.SortStableFunc(found, func(a, b error) int { return cmp.Compare(fileOf(a), fileOf(b)) })
	told := map[string]bool{}
	found = slices.DeleteFunc(found, func(err error) bool {
		text := err.Error()
		defer func() { told[text] = true }()
		return told[text]
	})
	if more := len(found) - maxErrors; more > 0 {
		found = append(found[:maxErrors], fmt.Errorf("and %d more", more))
	}
	return errors.Join(found...)
}

// leaves takes joined errors apart.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var found []error
	for _, one := range joined.Unwrap() {
		found = append(found, leaves(one)...)
	}
	return found
}

func fileOf(err error) string {
	if typed := (*Error)(nil); errors.As(err, &typed) {
		return typed.File
	}
	return ""
}
