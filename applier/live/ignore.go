package live

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// CheckIgnore says what is wrong with the rules, each with its place in the spec.
func CheckIgnore(rules []v1alpha1.IgnoreRule) error {
	_, err := readIgnore(rules)
	return err
}

// ignoreRule is a rule with its paths read.
type ignoreRule struct {
	v1alpha1.IgnoreRule
	patterns []pattern
}

func readIgnore(rules []v1alpha1.IgnoreRule) ([]ignoreRule, error) {
	var errs []error
	read := make([]ignoreRule, len(rules))
	for i, rule := range rules {
		read[i].IgnoreRule = rule
		for j, field := range rule.Fields {
			p, err := parsePattern(field)
			if err == nil {
				err = p.forbidden()
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("spec.ignore[%d].fields[%d]: reading %q: %w", i, j, field, err))
				continue
			}
			read[i].patterns = append(read[i].patterns, p)
		}
	}
	return read, errors.Join(errs...)
}

// forbidden: what names the object, and our marks, are nobody else's.
func (p pattern) forbidden() error {
	if p[0].kind != fieldStep {
		return errors.New("a path begins with a field")
	}
	switch p[0].field {
	case "apiVersion", "kind":
		return errors.New("what names the object can't be left to others")
	case "metadata":
	default:
		return nil
	}
	if len(p) < 2 || p[1].kind != fieldStep {
		return errors.New("metadata as a whole can't be left to others")
	}
	switch p[1].field {
	case "labels", "annotations":
		if len(p) < 3 {
			return fmt.Errorf("metadata.%s as a whole can't be left to others: name the key", p[1].field)
		}
		if p[2].kind != fieldStep || strings.HasPrefix(p[2].field, v1alpha1.Group+"/") {
			return errors.New("the marks of Gitlatch can't be left to others")
		}
	case "finalizers", "ownerReferences":
	default:
		return errors.New("what names the object can't be left to others")
	}
	return nil
}

// ignored returns the paths of an object that are left to others.
func ignored(rules []ignoreRule, k Key) []pattern {
	var out []pattern
	for i := range rules {
		r := &rules[i]
		if r.Kind == k.Kind && (r.Group == "" || r.Group == k.Group) && (r.Namespace == "" || r.Namespace == k.Namespace) && (r.Name == "" || r.Name == k.Name) {
			out = append(out, r.patterns...)
		}
	}
	return out
}
