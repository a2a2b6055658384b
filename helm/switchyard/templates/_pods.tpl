{{/* What all pods share. They fit Pod Security's level `restricted`. */}}

{{/* Fields of a pod; `image`: which of .Values.images, for its user. */}}
{{- define "switchyard.pod" -}}
{{- $user := (index .root.Values.images .image).user -}}
serviceAccountName: {{ .root.Release.Name }}-servers
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $user }}
  runAsGroup: {{ $user }}
  fsGroup: {{ $user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* Fields of a container. */}}
{{- define "switchyard.container" -}}
{{- $image := index .root.Values.images .image -}}
image: {{ printf "%s:%s" $image.repository $image.tag | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The volume of one file, or several, of the scripts. */}}
{{- define "switchyard.scripts" -}}
- name: scripts
  configMap:
    name: {{ .Release.Name }}-scripts
    defaultMode: 0555
{{- end }}

{{/* The volume of the passwords that a part needs, and of no other; `keys`: their names. */}}
{{- define "switchyard.secrets" -}}
- name: secrets
  secret:
    secretName: {{ include "switchyard.passwordsName" .root }}
    defaultMode: 0440
    items:
      {{- range .keys | uniq }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- end }}

{{- define "switchyard.tmp" -}}
- name: tmp
  emptyDir: {}
{{- end }}

{{/* A claim for each pod of a StatefulSet; it outlives the StatefulSet. */}}
{{- define "switchyard.claim" -}}
- metadata:
    name: data
    labels:
      {{- include "switchyard.selector" . | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.class }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .storage.size }}
{{- end }}

{{/* Restarts the pods when a script or a configuration that they read at their start changed; no password is in it. */}}
{{- define "switchyard.checksum" -}}
{{- $text := "" -}}
{{- range .scripts -}}
{{- $text = print $text ($.root.Files.Get (print "files/" .)) -}}
{{- end -}}
{{- range .configuration -}}
{{- $text = print $text (include (print $.root.Template.BasePath "/" .) $.root) -}}
{{- end -}}
checksum/configuration: {{ sha256sum $text }}
{{- end }}

{{/* Hadoop's XML of a dictionary of properties. */}}
{{- define "switchyard.xml" -}}
<?xml version="1.0"?>
<configuration>
{{- range $name, $value := . }}
  <property><name>{{ $name }}</name><value>{{ $value | toString | replace "&" "&amp;" | replace "<" "&lt;" }}</value></property>
{{- end }}
</configuration>
{{- end }}
