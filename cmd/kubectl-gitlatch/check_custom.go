package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/gitlatch/gitlatch/applier/desired"
)

// customKind is a kind that a CustomResourceDefinition declares.
type customKind struct {
	source     string
	namespaced bool
	versions   map[string]*customVersion // nil: not served
}

// customVersion judges objects as the API server would, in the same order.
type customVersion struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// define takes up the definitions among the objects, and finds what is wrong with them.
func (s *schemas) define(objects []desired.Object) (found []finding) {
	for i := range objects {
		o := &objects[i]
		if o.GroupVersionKind() != apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition") {
			continue
		}
		report := &reporter{object: o}
		if crd := readDefinition(report); crd != nil {
			s.custom[schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}] = newCustomKind(report, crd)
		}
		found = append(found, report.found...)
	}
	return found
}

// readDefinition returns nil for one that does not fit its type, which is found when it is
// judged like any other object.
func readDefinition(report *reporter) *apiextensions.CustomResourceDefinition {
	var v1 apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(report.object.Object, &v1); err != nil {
		return nil
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&v1)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
	crd := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, crd, nil); err != nil {
		report.add(reasonSchema, "spec", clean(err).Error())
		return nil
	}
	return crd
}

func newCustomKind(report *reporter, crd *apiextensions.CustomResourceDefinition) *customKind {
	kind := &customKind{source: report.object.Source, namespaced: crd.Spec.Scope == apiextensions.NamespaceScoped, versions: map[string]*customVersion{}}
	for _, version := range crd.Spec.Versions {
		if !version.Served {
			continue
		}
		kind.versions[version.Name] = &customVersion{}
		declared, err := apiextensions.GetSchemaForVersion(crd, version.Name)
		if err != nil || declared == nil || declared.OpenAPIV3Schema == nil {
			report.add(reasonSchema, "spec.versions", fmt.Sprintf("version %s has no openAPIV3Schema", version.Name))
			continue
		}
		structural, err := structuralschema.NewStructural(declared.OpenAPIV3Schema)
		if err != nil {
			report.add(reasonSchema, "spec.versions", fmt.Sprintf("the schema of %s is not structural: %s", version.Name, clean(err)))
			continue
		}
		if wrong := structuralschema.ValidateStructural(field.NewPath("spec", "versions").Key(version.Name), structural); len(wrong) > 0 {
			report.addAll(reasonSchema, wrong)
			continue
		}
		validator, _, err := validation.NewSchemaValidator(declared.OpenAPIV3Schema)
		if err != nil {
			report.add(reasonSchema, "spec.versions", fmt.Sprintf("the schema of %s can't be used: %v", version.Name, err))
			continue
		}
		kind.versions[version.Name] = &customVersion{
			structural: structural, schema: validator, rules: cel.NewValidator(structural, true, celconfig.PerCallLimit),
		}
	}
	return kind
}

// judge finds what is wrong with a custom resource.
func (k *customKind) judge(ctx context.Context, report *reporter, version string) {
	v, served := k.versions[version]
	if !served {
		report.add(reasonUnknown, "apiVersion", fmt.Sprintf("%s serves no version %s", k.source, version))
		return
	}
	if v.structural == nil {
		return
	}
	object := runtime.DeepCopyJSON(report.object.Object)
	unknown := pruning.PruneWithOptions(object, v.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	slices.Sort(unknown)
	for _, name := range unknown {
		report.add(reasonSchema, name, "is an unknown field")
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, v.structural)
	defaulting.Default(object, v.structural)
	wrong := validation.ValidateCustomResource(nil, object, v.schema)
	wrong = append(wrong, listtype.ValidateListSetsAndMaps(nil, v.structural, object)...)
	if len(wrong) == 0 && v.rules != nil && !report.closed { // rules want valid objects, and what is encrypted has no meaning yet
		broken, _ := v.rules.Validate(ctx, nil, v.structural, object, nil, celconfig.RuntimeCELCostBudget)
		wrong = append(wrong, broken...)
	}
	for _, e := range wrong {
		e.Field = strings.TrimPrefix(e.Field, "<nil>.")
	}
	report.addAll(reasonSchema, wrong)
}
