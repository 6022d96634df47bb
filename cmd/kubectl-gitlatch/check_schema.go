package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

// newestMinor is the Kubernetes 1.x whose kinds are known here: that of k8s.io/api.
const newestMinor = 37

// schemas say what objects may look like, without a cluster: the types of Kubernetes and
// of Gitlatch, and the definitions of custom resources that are declared beside them.
type schemas struct {
	types  *runtime.Scheme
	strict runtime.Decoder
	minor  int // of the Kubernetes that is rendered for
	custom map[schema.GroupKind]*customKind
	unsure string // the severity of a kind that can't be checked
}

func newSchemas(kubeVersion string, strict bool) (*schemas, error) {
	types := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(types), apiextensionsv1.AddToScheme(types), v1alpha1.AddToScheme(types)); err != nil {
		return nil, fmt.Errorf("preparing the kinds of Kubernetes: %w", err)
	}
	minor, err := minorOf(kubeVersion)
	if err != nil {
		return nil, err
	}
	s := &schemas{
		types: types, minor: minor, custom: map[schema.GroupKind]*customKind{}, unsure: severityWarning,
		strict: json.NewSerializerWithOptions(json.DefaultMetaFactory, types, types, json.SerializerOptions{Strict: true}),
	}
	if strict {
		s.unsure = severityError
	}
	return s, nil
}

var kubeVersions = regexp.MustCompile(`^v?1\.([0-9]{1,4})([.+-].*)?$`)

func minorOf(kubeVersion string) (int, error) {
	if kubeVersion == "" {
		return newestMinor, nil
	}
	found := kubeVersions.FindStringSubmatch(kubeVersion)
	if found == nil {
		return 0, fmt.Errorf("--kube-version %q: use a version such as v1.%d.0", kubeVersion, newestMinor)
	}
	return strconv.Atoi(found[1])
}

// judge finds what is wrong with one object. closed says that what is encrypted stayed so.
func (s *schemas) judge(ctx context.Context, o *desired.Object, closed bool) []finding {
	report := &reporter{object: o, quiet: o.Decrypted || o.GetKind() == "Secret", closed: closed && o.Decrypted}
	gvk := o.GroupVersionKind()
	checkMetadata(report)
	switch custom := s.custom[gvk.GroupKind()]; {
	case custom != nil:
		s.scope(report, custom.namespaced)
		custom.judge(ctx, report, gvk.Version)
	case s.types.Recognizes(gvk):
		s.scope(report, !clusterScoped(gvk.GroupKind()))
		s.typed(report, gvk)
	case gvk.GroupKind() == schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}:
	case s.types.IsGroupRegistered(gvk.Group):
		report.add(reasonUnknown, "", fmt.Sprintf("Kubernetes 1.%d knows no %s in %s", newestMinor, gvk.Kind, gvk.GroupVersion()))
	default:
		report.severity = s.unsure
		report.add(reasonUnknown, "", fmt.Sprintf(
			"no CustomResourceDefinition of %s is in the folders, so it is not checked: pass --crds with the folder that holds it", gvk.GroupKind()))
	}
	return report.found
}

func (s *schemas) scope(report *reporter, namespaced bool) {
	if namespace := report.object.GetNamespace(); !namespaced && namespace != "" {
		report.add(reasonMetadata, "metadata.namespace", fmt.Sprintf("%s is cluster-scoped: it can't be in namespace %q",
			report.object.GetKind(), namespace))
	}
}

// namespaced says whether objects of a kind are in namespaces; false where that is not
// known.
func (s *schemas) namespaced(gvk schema.GroupVersionKind) bool {
	if custom := s.custom[gvk.GroupKind()]; custom != nil {
		return custom.namespaced
	}
	return s.types.Recognizes(gvk) && !clusterScoped(gvk.GroupKind())
}

// typed reads the object into its type, strictly.
func (s *schemas) typed(report *reporter, gvk schema.GroupVersionKind) {
	data, err := report.object.MarshalJSON()
	if err != nil {
		report.add(reasonSchema, "", "can't be written as JSON")
		return
	}
	read, _, err := s.strict.Decode(data, nil, nil)
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		for _, one := range strict.Errors() {
			key, message := unknownField(one.Error())
			report.add(reasonSchema, key, message)
		}
	} else if err != nil {
		report.mistyped(err)
		return
	}
	if removed, ok := read.(interface{ APILifecycleRemoved() (int, int) }); ok {
		if _, minor := removed.APILifecycleRemoved(); s.minor >= minor {
			report.add(reasonRemoved, "apiVersion", fmt.Sprintf("%s is gone since Kubernetes 1.%d%s", gvk.GroupVersion(), minor, successor(read)))
		}
	}
}

func successor(read runtime.Object) string {
	next, ok := read.(interface {
		APILifecycleReplacement() schema.GroupVersionKind
	})
	if !ok {
		return ""
	}
	gvk := next.APILifecycleReplacement()
	return fmt.Sprintf(": use %s of %s", gvk.Kind, gvk.GroupVersion())
}

// unknownField takes `unknown field "spec.replica"` apart.
func unknownField(text string) (key, message string) {
	message, quoted, found := strings.Cut(text, ` "`)
	if !found || !strings.HasSuffix(quoted, `"`) {
		return "", text
	}
	return strings.TrimSuffix(quoted, `"`), "is an " + message
}

// mistypes is how encoding/json says that a value has the wrong type.
var mistypes = regexp.MustCompile(`cannot unmarshal (\w+).* into Go struct field \w*\.(\S+) of type (\S+)$`)

// goTypes as people call them, by their first letters.
func typeName(name string) string {
	name = name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case strings.HasPrefix(name, "map["):
		return "a map"
	case strings.HasPrefix(name, "[]byte"), strings.HasPrefix(name, "[]uint8"):
		return "text in base64"
	case strings.HasPrefix(name, "[]"):
		return "a list"
	}
	return map[string]string{
		"string": "text", "int32": "a whole number", "int64": "a whole number", "int": "a whole number", "float64": "a number",
		"bool": "true or false", "number": "a number", "object": "a map", "array": "a list",
	}[name]
}
