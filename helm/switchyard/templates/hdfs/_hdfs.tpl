{{/* Environment of every JVM of Hadoop and Hive. JDK_JAVA_OPTIONS is read by Java 9 and later; Java 8 has no modules. */}}
{{- define "switchyard.jvm" -}}
- {name: HADOOP_CONF_DIR, value: /configuration/hadoop}
- {name: HADOOP_USER_NAME, value: {{ .root.Values.hdfs.user | quote }}}
- {name: HADOOP_HEAPSIZE, value: {{ .heap | quote }}}
- {name: HADOOP_LOG_DIR, value: /tmp/logs}
- {name: HADOOP_PID_DIR, value: /tmp}
- {name: HOME, value: /tmp}
- name: JDK_JAVA_OPTIONS
  value: >-
    -XX:+ExitOnOutOfMemoryError -Duser.timezone=UTC -Dfile.encoding=UTF-8
    {{- range list "lang" "lang.reflect" "util" "util.concurrent" "util.concurrent.atomic" "util.regex" "io" "net" "nio" "time" }}
    --add-opens=java.base/java.{{ . }}=ALL-UNNAMED
    {{- end }}
{{- end }}

{{- define "switchyard.hadoopVolumes" -}}
{{ include "switchyard.scripts" . }}
{{ include "switchyard.tmp" . }}
- name: hadoop
  configMap:
    name: {{ .Release.Name }}-hadoop
{{- end }}

{{- define "switchyard.hadoopMounts" -}}
- {name: scripts, mountPath: /scripts, readOnly: true}
- {name: hadoop, mountPath: /configuration/hadoop, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}
