package desired

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

// chartFile makes a folder a chart.
const chartFile = "Chart.yaml"

// release is a chart and all that it is rendered with.
type release struct {
	rendering
	files  []*archive.BufferedFile
	places chartPlace
	values map[string]any
}

// helm renders the chart as `helm template --include-crds --skip-tests` does: nothing is
// looked up, and no name is resolved.
func (r rendering) helm(in *reader) ([]Object, error) {
	files, err := chartFiles(in, r.options.Path)
	if err != nil {
		return nil, err
	}
	places, err := placesOf(in, r.options.Path, files)
	if err != nil {
		return nil, err
	}
	values, err := r.values(in)
	if err != nil {
		return nil, err
	}
	rel := release{rendering: r, files: files, places: places, values: values}
	first, err := rel.render(in, 0)
	if err != nil || r.unchecked {
		return first.objects, err
	}
	second, err := rel.render(in, 1)
	if err != nil {
		return nil, err
	}
	return first.objects, rel.steady(first, second)
}

// rendered is what came of one run.
type rendered struct {
	objects   []Object
	templates map[string]string // text by the engine's name
}

func (r release) render(in *reader, run int) (rendered, error) {
	c, err := r.chart(in)
	if err != nil {
		return rendered{}, err
	}
	values, err := r.top(c)
	if err != nil {
		return rendered{}, err
	}
	e := engine.Engine{CustomTemplateFuncs: functions(run)}
	templates, err := e.RenderWithContext(in.ctx, c, values)
	if err != nil {
		return rendered{}, &Error{Reason: ReasonRender, File: r.failedIn(err), Err: said(err)}
	}
	maps.DeleteFunc(templates, func(name, _ string) bool { return strings.HasSuffix(name, "NOTES.txt") })
	objects, err := r.declared(in, c, templates)
	return rendered{objects: objects, templates: templates}, err
}

// chart is read anew for each run, since rendering changes it.
func (r release) chart(in *reader) (*chart.Chart, error) {
	refuse := func(err error) (*chart.Chart, error) {
		return nil, &Error{Reason: ReasonRender, File: path.Join(r.options.Path, chartFile), Err: said(err)}
	}
	c, err := loader.LoadFiles(r.files)
	if err != nil {
		return refuse(err)
	}
	if v := c.Metadata.APIVersion; v != chart.APIVersionV1 && v != chart.APIVersionV2 {
		return refuse(fmt.Errorf("is of apiVersion %q, which is neither v1 nor v2", v))
	}
	if c.Metadata.Type != "" && c.Metadata.Type != "application" {
		return refuse(fmt.Errorf("is a chart of type %s, which renders nothing by itself: name a chart that uses it", c.Metadata.Type))
	}
	if missing := missingCharts(c); len(missing) > 0 {
		return refuse(fmt.Errorf("needs the chart %s, which is not in charts/: nothing is fetched while a commit is rendered; commit what `helm dependency update` leaves there",
			strings.Join(missing, ", ")))
	}
	if in.decrypted() {
		if at := conflict(c, []map[string]any{r.values}); at != "" {
			return refuse(fmt.Errorf("values at %s are a table in one place and not in another", at))
		}
	}
	if err := chartutil.ProcessDependencies(c, r.values); err != nil {
		return refuse(err)
	}
	return c, nil
}

func missingCharts(c *chart.Chart) []string {
	var missing []string
	for _, needed := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(d *chart.Chart) bool { return d.Name() == needed.Name }) {
			missing = append(missing, needed.Name)
		}
	}
	return missing
}

// top are the values as a template sees them.
func (r release) top(c *chart.Chart) (common.Values, error) {
	file := path.Join(r.options.Path, chartFile)
	capabilities, err := r.capabilities()
	if err != nil {
		return nil, &Error{Reason: ReasonRender, File: file, Err: err}
	}
	if wanted := c.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		return nil, &Error{Reason: ReasonRender, File: file, Err: fmt.Errorf("is for Kubernetes %s, not %s", wanted, capabilities.KubeVersion.Version)}
	}
	options := common.ReleaseOptions{
		Name:      cmp.Or(r.options.Helm.ReleaseName, "release-name"),
		Namespace: cmp.Or(r.options.Helm.Namespace, "default"),
		Revision:  1,
		IsInstall: true,
	}
	if err := chartutil.ValidateReleaseName(options.Name); err != nil {
		return nil, &Error{Reason: ReasonRender, File: file, Err: fmt.Errorf("can't be rendered as release %q: %w", options.Name, err)}
	}
	values, err := util.ToRenderValuesWithSchemaValidation(c, r.values, options, capabilities, true)
	if err != nil {
		return nil, &Error{Reason: ReasonRender, File: file, Err: said(err)}
	}
	if r.unchecked {
		return values, nil
	}
	coalesced, _ := values["Values"].(common.Values)
	return values, r.fit(c, coalesced, r.places)
}

func (r rendering) capabilities() (*common.Capabilities, error) {
	capabilities := common.DefaultCapabilities.Copy()
	if wanted := r.options.Helm.KubeVersion; wanted != "" {
		version, err := common.ParseKubeVersion(wanted)
		if err != nil {
			return nil, fmt.Errorf("can't be rendered for Kubernetes %q: %w", wanted, err)
		}
		capabilities.KubeVersion = *version
	}
	capabilities.APIVersions = slices.Concat(capabilities.APIVersions, r.options.Helm.APIVersions)
	return capabilities, nil
}

var templateName = regexp.MustCompile(`[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*/templates/[A-Za-z0-9_./-]+`)

// failedIn is the template that the engine's error names first, else the chart.
func (r release) failedIn(err error) string {
	if name := templateName.FindString(err.Error()); name != "" {
		return r.places.file(name)
	}
	return path.Join(r.options.Path, chartFile)
}

// values of the files that the sync names, later ones over earlier ones. The chart's
// own come in when they are rendered.
func (r rendering) values(in *reader) (map[string]any, error) {
	merged := map[string]any{}
	for _, name := range r.options.Helm.ValuesFiles {
		file, err := r.valuesFile(name)
		if err != nil {
			return nil, err
		}
		content, err := in.file(file)
		if err != nil {
			return nil, err
		}
		one, err := valuesOf(in, file, content)
		if err != nil {
			return nil, err
		}
		merged = loader.MergeMaps(merged, one)
	}
	return merged, nil
}

// valuesFile resolves a name: below the chart if it begins with "./", else below the
// root of the tree.
func (r rendering) valuesFile(name string) (string, error) {
	file := path.Clean(name)
	if strings.HasPrefix(name, "./") {
		file = path.Join(r.options.Path, name)
	}
	if path.IsAbs(name) || file == ".." || strings.HasPrefix(file, "../") || strings.Contains(name, "://") {
		return "", &Error{Reason: ReasonPath, File: name, Err: errors.New("is not a values file inside the repository")}
	}
	return file, nil
}
