package desired

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hookAnnotation makes an object a hook of Helm's.
const hookAnnotation = "helm.sh/hook"

// declared reads what the templates of a chart became, and its CRDs. Errors speak of
// documents and lines of the rendered text, since a template's own lines move.
func (r release) declared(in *reader, c *chart.Chart, templates map[string]string) ([]Object, error) {
	var objects []Object
	var wrong []error
	for _, crd := range c.CRDObjects() {
		found, err := declared(in, r.places.file(crd.Filename), crd.File.Data, looserSeparator)
		objects = append(objects, found...)
		wrong = append(wrong, leaves(err)...)
	}
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		text := templates[name]
		if strings.HasPrefix(path.Base(name), "_") || strings.TrimSpace(text) == "" {
			continue
		}
		file := r.places.file(name)
		if err := in.spend(file, len(text)); err != nil {
			return nil, err
		}
		found, err := declaredInTemplate(in, file, text)
		objects = append(objects, found...)
		wrong = append(wrong, err...)
	}
	objects = slices.DeleteFunc(objects, func(o Object) bool { return !installs(o.Unstructured) })
	return objects, errors.Join(wrong...)
}

func declaredInTemplate(in *reader, file, text string) ([]Object, []error) {
	var objects []Object
	var wrong []error
	for _, d := range documents([]byte(text), looserSeparator) {
		found, err := d.objects(in, file)
		objects = append(objects, found...)
		if typed := (*Error)(nil); errors.As(err, &typed) && typed.Reason == ReasonDocument {
			err = &Error{Reason: ReasonRender, File: typed.File, Err: fmt.Errorf("renders what can't be applied: %w", typed.Err)}
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return objects, wrong
}

// installs tells whether an object is part of what is installed. Hooks that are run
// before or after an install or an upgrade are; those of tests, deletions and
// rollbacks are not: to apply a cleaning job with the rest would clean at once. As in
// Helm, one word that is not known takes the whole object out.
func installs(o *unstructured.Unstructured) bool {
	hooks, isHook := o.GetAnnotations()[hookAnnotation]
	if !isHook {
		return true
	}
	kept := false
	for word := range strings.SplitSeq(hooks, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "pre-install", "post-install", "pre-upgrade", "post-upgrade":
			kept = true
		case "pre-delete", "post-delete", "pre-rollback", "post-rollback", "test", "test-success":
		default:
			return false
		}
	}
	return kept
}

// functions replaces what templates may not know: the clock, which the second run reads
// at a time that no format of a date shows the same.
func functions(run int) template.FuncMap {
	now := time.Now()
	if run > 0 {
		now = now.AddDate(1, 1, 1).Add(13*time.Hour + 61*time.Minute + time.Second + time.Millisecond)
		for now.Weekday() == time.Now().Weekday() {
			now = now.AddDate(0, 0, 1)
		}
	}
	return template.FuncMap{
		"now": func() time.Time { return now },
		"ago": func(date any) string {
			at := now
			switch d := date.(type) {
			case time.Time:
				at = d
			case int64:
				at = time.Unix(d, 0)
			case int:
				at = time.Unix(int64(d), 0)
			}
			return now.Sub(at).Round(time.Second).String()
		},
		// A number between two that are close would often be the same twice.
		"randInt": func(from, to int) int {
			if run == 0 || to <= from {
				return from
			}
			return to - 1
		},
	}
}

// steady compares two runs. What differs would drift for ever.
func (r release) steady(first, second rendered) error {
	if maps.Equal(first.templates, second.templates) {
		return nil
	}
	for i, o := range first.objects {
		if i < len(second.objects) && reflect.DeepEqual(o.Object, second.objects[i].Object) {
			continue
		}
		return &Error{Reason: ReasonRender, File: o.Source, Object: title(o.Unstructured), Key: r.differs(o, second.objects, i),
			Err: errors.New("is rendered differently each time, from the clock or at random: it would drift for ever; give it a value of its own")}
	}
	if len(first.objects) != len(second.objects) {
		return &Error{Reason: ReasonRender, File: path.Join(r.options.Path, chartFile),
			Err: errors.New("renders another number of objects each time: they would come and go for ever")}
	}
	return nil
}

// differs is the first field of an object that is another the second time.
func (r release) differs(o Object, others []Object, i int) string {
	if i >= len(others) || title(others[i].Unstructured) != title(o.Unstructured) {
		return ""
	}
	return differing(o.Object, others[i].Object)
}

func differing(a, b any) string {
	x, isX := a.(map[string]any)
	y, isY := b.(map[string]any)
	if !isX || !isY {
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(x)) {
		if reflect.DeepEqual(x[key], y[key]) {
			continue
		}
		if inner := differing(x[key], y[key]); inner != "" {
			return key + "." + inner
		}
		return key
	}
	return ""
}
