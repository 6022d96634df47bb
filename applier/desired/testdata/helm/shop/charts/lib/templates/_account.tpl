{{- define "lib.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .name }}}
{{- end -}}
