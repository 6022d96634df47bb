package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"
	"sigs.k8s.io/yaml"
)

// chartFiles reads a chart's folder, but for what .helmignore leaves out.
func chartFiles(in *reader, dir string) ([]*archive.BufferedFile, error) {
	rules := ignore.Empty()
	if name := path.Join(dir, ignore.HelmIgnore); is(in.src, name) {
		content, err := in.file(name)
		if err != nil {
			return nil, err
		}
		if rules, err = ignore.Parse(bytes.NewReader(content)); err != nil {
			return nil, &Error{Reason: ReasonRender, File: name, Err: err}
		}
	}
	rules.AddDefaults()
	var files []*archive.BufferedFile
	skip := func(name string, info fs.FileInfo) bool { return rules.Ignore(below(dir, name), info) }
	err := in.walk(dir, skip, func(name string) error {
		content, err := in.file(name)
		if err == nil {
			err = judgeChartFile(in, name, below(dir, name), content)
		}
		files = append(files, &archive.BufferedFile{Name: below(dir, name), Data: content})
		return err
	})
	return files, err
}

// judgeChartFile looks at what Helm reads as YAML before it does, for the sake of file
// and line, and of anchors that grow out of all proportion.
func judgeChartFile(in *reader, file, name string, content []byte) error {
	if strings.Contains("/"+name, "/templates/") {
		return nil
	}
	switch path.Base(name) {
	case chartFile, "values.yaml", "requirements.yaml", "Chart.lock", "requirements.lock":
		_, err := valuesOf(in, file, content)
		return err
	}
	return nil
}

// valuesOf reads a file of values.
func valuesOf(in *reader, file string, content []byte) (map[string]any, error) {
	for _, d := range documents(content, separator) {
		size, err := inspect(d.text, d.line)
		if err != nil {
			return nil, broken(file, d.number, d.line, err)
		}
		if err := in.spend(file, size-len(d.text)); err != nil {
			return nil, err
		}
	}
	values, err := loader.LoadValues(bytes.NewReader(content))
	if err != nil { // its words may quote a value
		return nil, &Error{Reason: ReasonDocument, File: file, Err: errors.New("is not keys and values")}
	}
	return values, nil
}

// chartPlace is where a chart is in the tree. Helm names templates by the charts' names; a
// folder, an archive or an alias may be called otherwise.
type chartPlace struct {
	dir     string // of the chart, or the archive that it is in
	archive bool
	charts  map[string]chartPlace // by name and by alias
}

// placesOf finds the charts in a chart's files.
func placesOf(in *reader, dir string, files []*archive.BufferedFile) (chartPlace, error) {
	p := chartPlace{dir: dir, charts: map[string]chartPlace{}}
	var metadata chart.Metadata
	inner := map[string][]*archive.BufferedFile{}
	for _, f := range files {
		rest, isInner := strings.CutPrefix(f.Name, "charts/")
		switch name, tail, nested := strings.Cut(rest, "/"); {
		case f.Name == chartFile || f.Name == "requirements.yaml":
			if err := yaml.Unmarshal(f.Data, &metadata); err != nil {
				return p, &Error{Reason: ReasonRender, File: path.Join(dir, f.Name), Err: errors.New("is not a chart's metadata")}
			}
		case isInner && nested:
			inner[name] = append(inner[name], &archive.BufferedFile{Name: tail, Data: f.Data})
		case isInner && path.Ext(name) == ".tgz" && name[0] != '_' && name[0] != '.':
			if err := p.unpack(in, path.Join(dir, f.Name), f.Data); err != nil {
				return p, err
			}
		}
	}
	for name, files := range inner {
		one, err := placesOf(in, path.Join(dir, "charts", name), files)
		if err != nil {
			return p, err
		}
		p.add(files, one)
	}
	for _, d := range metadata.Dependencies {
		if one, ok := p.charts[d.Name]; ok && d.Alias != "" {
			p.charts[d.Alias] = one
		}
	}
	return p, nil
}

// unpack looks into an archive of a chart. All of it is in the archive's place.
func (p chartPlace) unpack(in *reader, file string, content []byte) error {
	files, err := archive.LoadArchiveFiles(bytes.NewReader(content))
	if err != nil {
		return &Error{Reason: ReasonRender, File: file, Err: fmt.Errorf("is not an archive of a chart: %w", err)}
	}
	for _, f := range files {
		if err := in.spend(file, len(f.Data)); err != nil {
			return err
		}
		if err := judgeChartFile(in, f.Name, f.Name, f.Data); err != nil {
			return &Error{Reason: ReasonRender, File: file, Err: fmt.Errorf("holds %w", err)}
		}
	}
	one, err := placesOf(in, file, files)
	if err != nil {
		return err
	}
	one.archive = true
	p.add(files, one)
	return nil
}

// add enters a chart under its name. What has none is no chart, and Helm says so.
func (p chartPlace) add(files []*archive.BufferedFile, one chartPlace) {
	for _, f := range files {
		var metadata chart.Metadata
		if f.Name == chartFile && yaml.Unmarshal(f.Data, &metadata) == nil {
			p.charts[metadata.Name] = one
		}
	}
}

// file is where something is that the engine calls
// <chart>/charts/<chart>/templates/web.yaml.
func (p chartPlace) file(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	for {
		inner, ok := strings.CutPrefix(rest, "charts/")
		if p.archive {
			return p.dir
		}
		if !ok {
			return path.Join(p.dir, rest)
		}
		name, tail, _ := strings.Cut(inner, "/")
		next, known := p.charts[name]
		if !known {
			return path.Join(p.dir, rest)
		}
		p, rest = next, tail
	}
}
