{{- define "switchyard.log4j2" -}}
status = ERROR
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p [%t] %c{2}: %m%n
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
{{- end }}

{{/* A psql client of the metastore's database; the script says what it does. */}}
{{- define "switchyard.metastoreClient" -}}
{{- $database := include "switchyard.metastoreDatabase" .root | fromJson -}}
{{ include "switchyard.container" (dict "root" .root "image" "postgresql" "resources" .root.Values.metastore.schema.resources) }}
command: [sh, {{ .script }}]
env:
  - {name: PGHOST, value: {{ $database.host | quote }}}
  - {name: PGPORT, value: {{ $database.port | quote }}}
  - {name: PGDATABASE, value: {{ $database.database | quote }}}
  - {name: PGUSER, value: {{ $database.login | quote }}}
  - {name: PASSWORD_FILE, value: /secrets/metastore}
  - {name: SCHEMA_FILE, value: /schema/hive-schema.sql}
{{- end }}
