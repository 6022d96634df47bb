package v1alpha1

import "strings"

// Source is the value of [AnnotationSource]: the repository, the file and the ref in
// one line, "https://git.example/ops.git//clusters/prod/web.yaml?ref=main". ref is
// left out where the remote's HEAD is followed, and the repository where it is not
// known.
func Source(repository, file, ref string) string {
	if repository == "" {
		return file
	}
	text := repository + "//" + file
	if ref != "" {
		text += "?ref=" + ref
	}
	return text
}

// ParseSource takes a value of [AnnotationSource] apart; ok is false where it is none,
// or names no repository.
func ParseSource(source string) (repository, file, ref string, ok bool) {
	scheme, rest, ok := strings.Cut(source, "://")
	if !ok {
		return "", "", "", false
	}
	// A file URL begins its path with the slash that follows the scheme's.
	at := strings.LastIndex(rest, "//")
	if at < 0 {
		return "", "", "", false
	}
	repository, file = scheme+"://"+rest[:at], rest[at+2:]
	if at := strings.LastIndex(file, "?ref="); at >= 0 {
		file, ref = file[:at], file[at+len("?ref="):]
	}
	return repository, file, ref, file != "" && rest[:at] != ""
}

// SourceFile is the file that a value of [AnnotationSource] names.
func SourceFile(source string) string {
	if _, file, _, ok := ParseSource(source); ok {
		return file
	}
	return source
}
