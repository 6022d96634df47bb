package history

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Words in the actions of a template that let it reach another's content, or be reached by it.
var (
	// defines what others include.
	defines = regexp.MustCompile(`\b(define|block)\b`)
	// changesValues for the templates that are rendered after it.
	changesValues = regexp.MustCompile(`\b(set|unset|merge|mergeOverwrite|mustMerge|mustMergeOverwrite)\b`)
	// looks at files, or at templates whose name can't be told from the text.
	looks = regexp.MustCompile(`\b(Files|Template|BasePath|tpl)\b|/templates/`)
	// includes are all inclusions, and named those of a name that stands in the text.
	includes = regexp.MustCompile(`\b(include|template)\b`)
	named    = regexp.MustCompile("\\b(include|template)\\s+[\"`]")
	// action is what a template does.
	action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
)

// actions are those of a template, one after the other. false where a quotation may hide the end of one.
func actions(content []byte) (string, bool) {
	var all strings.Builder
	for _, one := range action.FindAll(content, -1) {
		if bytes.Count(one, []byte(`"`))%2 != 0 || bytes.Count(one, []byte("`"))%2 != 0 {
			return "", false
		}
		all.Write(one)
	}
	return all.String(), true
}

// helmBystander finds the templates that can't reach the object with their content:
// those that define nothing, in a chart in which no template reads another one's file
// or changes the values. nil where no file is such, and where the object isn't there:
// any template may come to declare it.
func (l *look) helmBystander(in *recorder, source string) func(string, string, string) (bool, error) {
	if source == "" {
		return nil
	}
	for file, content := range in.content {
		if !template(file) {
			continue
		}
		text, plain := actions(content)
		if !plain || changesValues.MatchString(text) || looks.MatchString(text) ||
			len(includes.FindAllString(text, -1)) != len(named.FindAllString(text, -1)) {
			return nil
		}
	}
	return func(file, before, after string) (bool, error) {
		if file == source || !template(file) || strings.HasPrefix(path.Base(file), "_") {
			return false, nil
		}
		for _, hash := range []string{before, after} {
			content, err := l.repository.Blob(hash)
			if err != nil {
				return false, err
			}
			text, plain := actions(content)
			if !plain || defines.MatchString(text) || changesValues.MatchString(text) {
				return false, nil
			}
		}
		return true, nil
	}
}

// template tells a file that is in a folder of templates, of the chart or of one in it.
func template(file string) bool {
	return slices.Contains(strings.Split(path.Dir(file), "/"), "templates")
}
