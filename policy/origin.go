package policy

import (
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// origin says where an object is declared, from the annotations that Gitlatch's
// applier puts on it: "change clusters/prod/web.yaml in https://git.example/ops
// (main), last changed by 3f2c1ab "raise web to 4 replicas"". "" where they are not
// there. Past the gate nobody but a sync identity can write these annotations, and
// nothing rests on them but a line of text.
func origin(object map[string]any) string {
	repository, file, ref, ok := v1alpha1.ParseSource(annotation(object, v1alpha1.AnnotationSource))
	if !ok {
		return ""
	}
	text := "change " + file + " in " + repository
	if ref != "" {
		text += " (" + ref + ")"
	}
	if commit, subject, ok := strings.Cut(annotation(object, v1alpha1.AnnotationCommit), " "); ok && len(commit) >= 7 {
		text += ", last changed by " + commit[:7] + " " + subject
	}
	return text
}
