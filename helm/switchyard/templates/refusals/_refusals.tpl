{{/*
What a values file may not say, beyond what values.schema.json refuses: a JSON list of sentences, "where: what; cure".
All are collected before the first is shown.
*/}}
{{- define "switchyard.refusals" -}}
{{- $all := list -}}
{{- range list "names" "parts" "databases" "images" "memory" "passwords" "connections" "reach" "test" -}}
  {{- $all = concat $all (include (print "switchyard.refusals." .) $ | fromJsonArray) -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.names" -}}
{{- $all := list -}}
{{- if gt (len .Release.Name) 36 -}}
  {{- $all = append $all (printf "the release's name %s: it has %d characters, and names made of it would be too long; choose one of at most 36" .Release.Name (len .Release.Name)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z][a-z0-9-]*$" .Release.Name) -}}
  {{- $all = append $all (printf "the release's name %s: services are named after it, and their names begin with a letter and have letters, digits and - only; choose such a one" .Release.Name) -}}
{{- end -}}
{{- if has .Values.source.database (list "postgres" "metastore" "ledger" "template0" "template1") -}}
  {{- $all = append $all (printf "source.database: %s is the name of another database of the same server; choose another" .Values.source.database) -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.parts" -}}
{{- $all := list -}}
{{- $parts := pick .Values "hdfs" "metastore" "hive" "mongodb" "redis" "ledger" "source" -}}
{{- range $name, $part := $parts -}}
  {{- if and $part.enabled $part.existing.host -}}
    {{- $all = append $all (printf "%s: enabled is true and existing.host is %s, so that it is both installed and there already; set one of the two" $name $part.existing.host) -}}
  {{- end -}}
{{- end -}}
{{- if and .Values.metastore.enabled (not (or .Values.hdfs.enabled .Values.hdfs.existing.host)) -}}
  {{- $all = append $all "metastore.enabled: a metastore needs HDFS for its warehouse; set hdfs.enabled, or name one in hdfs.existing.host" -}}
{{- end -}}
{{- if and .Values.hive.enabled (not (or .Values.hdfs.enabled .Values.hdfs.existing.host)) -}}
  {{- $all = append $all "hive.enabled: HiveServer2 needs HDFS; set hdfs.enabled, or name one in hdfs.existing.host" -}}
{{- end -}}
{{- if and .Values.hive.enabled (not (or .Values.metastore.enabled .Values.metastore.existing.host)) -}}
  {{- $all = append $all "hive.enabled: HiveServer2 needs a metastore; set metastore.enabled, or name one in metastore.existing.host" -}}
{{- end -}}
{{- if and .Values.hdfs.enabled (gt (int .Values.hdfs.replication) (int .Values.hdfs.dataNodes.replicas)) -}}
  {{- $all = append $all (printf "hdfs.replication: %d copies of a block need as many DataNodes, and hdfs.dataNodes.replicas is %d; lower the one or raise the other" (int .Values.hdfs.replication) (int .Values.hdfs.dataNodes.replicas)) -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.databases" -}}
{{- $all := list -}}
{{- $own := and .Values.metastore.enabled (not .Values.metastore.database.existing.host) -}}
{{- if not .Values.postgresql.enabled -}}
  {{- if $own -}}
    {{- $all = append $all "metastore.enabled: its database has no server; set postgresql.enabled, or name one in metastore.database.existing.host" -}}
  {{- end -}}
  {{- if .Values.ledger.enabled -}}
    {{- $all = append $all "ledger.enabled: the ledger's database has no server; set postgresql.enabled, or set ledger.enabled to false and name one in ledger.existing.host" -}}
  {{- end -}}
  {{- if .Values.source.enabled -}}
    {{- $all = append $all "source.enabled: the source's database has no server; set postgresql.enabled, or set source.enabled to false" -}}
  {{- end -}}
{{- else if not (or $own .Values.ledger.enabled .Values.source.enabled) -}}
  {{- $all = append $all "postgresql.enabled: no part has a database in it (metastore, ledger, source); set it to false" -}}
{{- end -}}
{{- if and .Values.metastore.database.existing.host (not .Values.metastore.enabled) -}}
  {{- $all = append $all "metastore.database.existing.host: no metastore is installed that would use it; set metastore.enabled, or remove it" -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.images" -}}
{{- $all := list -}}
{{- $needs := dict
  "hadoop" .Values.hdfs.enabled
  "hive" (or .Values.hive.enabled .Values.metastore.enabled)
  "postgresql" (or .Values.postgresql.enabled .Values.metastore.enabled)
  "mongodb" .Values.mongodb.enabled
  "redis" .Values.redis.enabled
  "step" .Values.test.enabled -}}
{{- $cures := dict
  "hive" "name an image of Hive 4.0 that has PostgreSQL's JDBC driver, which Apache's own lacks: helm/README.md shows one"
  "step" "name an image that has this package, Sqoop and a JRE, or set test.enabled to false" -}}
{{- range $name, $needed := $needs -}}
  {{- $image := index $.Values.images $name -}}
  {{- if and $needed (not (and $image.repository $image.tag)) -}}
    {{- $cure := dig $name "name an image, or leave the part out" $cures -}}
    {{- $all = append $all (printf "images.%s: repository or tag is empty, and a part that is enabled needs it; %s" $name $cure) -}}
  {{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{/* MiB of a quantity such as 512Mi or 2Gi; nothing for another unit. */}}
{{- define "switchyard.mebibytes" -}}
{{- if hasSuffix "Gi" . -}}{{- trimSuffix "Gi" . | float64 | mulf 1024 | int -}}
{{- else if hasSuffix "Mi" . -}}{{- trimSuffix "Mi" . | float64 | int -}}
{{- end -}}
{{- end }}

{{- define "switchyard.refusals.memory" -}}
{{- $all := list -}}
{{- $jvms := dict
  "hdfs.nameNode" (dict "on" .Values.hdfs.enabled "values" .Values.hdfs.nameNode)
  "hdfs.dataNodes" (dict "on" .Values.hdfs.enabled "values" .Values.hdfs.dataNodes)
  "metastore" (dict "on" .Values.metastore.enabled "values" .Values.metastore)
  "hive" (dict "on" .Values.hive.enabled "values" .Values.hive) -}}
{{- range $name, $jvm := $jvms -}}
  {{- $limit := dig "limits" "memory" "" $jvm.values.resources -}}
  {{- $mebibytes := include "switchyard.mebibytes" $limit -}}
  {{- if and $jvm.on $mebibytes -}}
    {{- if gt (add $jvm.values.heap 128) (int $mebibytes) -}}
      {{- $all = append $all (printf "%s.heap: a JVM with %d MiB of heap needs 128 MiB more than that, and its limit of memory is %s; lower the heap or raise %s.resources.limits.memory" $name (int $jvm.values.heap) $limit $name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.passwords" -}}
{{- $all := list -}}
{{- $passwords := .Values.passwords -}}
{{- $own := include "switchyard.ownPasswords" . | fromJsonArray -}}
{{- $kept := lookup "v1" "Secret" .Release.Namespace (include "switchyard.passwordsName" .) -}}
{{- range $name, $password := omit $passwords "existingSecret" -}}
  {{- if and $password $passwords.existingSecret -}}
    {{- $all = append $all (printf "passwords.%s: it is written here, and passwords.existingSecret names the Secret to read it from; remove one of the two" $name) -}}
  {{- end -}}
  {{- if has $name $own -}}
    {{- if eq $name "mongodbKeyfile" -}}
      {{- if and $password (not (regexMatch "^[A-Za-z0-9+/=]{12,1000}$" $password)) -}}
        {{- $all = append $all "passwords.mongodbKeyfile: MongoDB takes 12 to 1000 letters, digits and + / = here; choose another, or leave it empty to have one generated" -}}
      {{- end -}}
    {{- else if and $password (not (regexMatch "^[A-Za-z0-9._~-]{12,}$" $password)) -}}
      {{- $all = append $all (printf "passwords.%s: a password of a server that is installed here has at least 12 letters, digits and . _ ~ -, since it passes through shells and configuration files; choose another, or leave it empty to have one generated" $name) -}}
    {{- end -}}
    {{- $value := dig "data" $name "" $kept -}}
    {{- if and $password $value (ne $password (b64dec $value)) -}}
      {{- $all = append $all (printf "passwords.%s: it differs from the one in Secret %s, with which the server's data was made; remove it, or change it in the server and in that Secret first" $name (include "switchyard.passwordsName" $)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and .Values.metastore.enabled .Values.metastore.database.existing.host (not $passwords.metastore) (not $passwords.existingSecret) (not (dig "data" "metastore" "" $kept)) -}}
  {{- $all = append $all "passwords.metastore: the login of metastore.database.existing has no password; write it, or name a Secret that has it in passwords.existingSecret" -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.connections" -}}
{{- $all := list -}}
{{- $connections := .Values.connections -}}
{{- if and .Values.passwords.existingSecret (not $connections.existingSecret) -}}
  {{- $all = append $all "connections.existingSecret: it is empty, and the connections' passwords are in passwords.existingSecret, which is not read here; name a Secret that has AIRFLOW_CONN_*: helm/README.md shows each" -}}
{{- end -}}
{{- if not (or $connections.existingSecret .Values.passwords.existingSecret) -}}
  {{- range list "source" "ledger" "hive" "mongodb" -}}
    {{- $part := index $.Values . -}}
    {{- if and (not $part.enabled) $part.existing.host $part.existing.login (not (index $.Values.passwords .)) -}}
      {{- if not (and (eq . "hive") (has (dig "auth_mechanism" "NOSASL" $part.existing.extra) (list "NOSASL" "NONE"))) -}}
        {{- $all = append $all (printf "passwords.%s: login %s of %s.existing has no password; write it, or name a Secret of connections in connections.existingSecret" . $part.existing.login .) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $used := dict -}}
{{- range $name, $id := $connections.ids -}}
  {{- with index $used (upper $id) -}}
    {{- $all = append $all (printf "connections.ids.%s: %s is the id of %s too; each server needs an id of its own" $name $id .) -}}
  {{- end -}}
  {{- $_ := set $used (upper $id) (print "connections.ids." $name) -}}
{{- end -}}
{{- if and .Values.passwords.catalog (not .Values.catalog.url) -}}
  {{- $all = append $all "passwords.catalog: a token without a server; name it in catalog.url, or remove the token" -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.reach" -}}
{{- $all := list -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.clients) -}}
  {{- $all = append $all "networkPolicy.clients: it is empty, so that no pod of Airflow would reach a server; name peers, or set networkPolicy.enabled to false" -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- define "switchyard.refusals.test" -}}
{{- $all := list -}}
{{- if and .Values.test.enabled (not .Values.source.enabled) -}}
  {{- $all = append $all "test.enabled: the test writes a table of its own into the source, and would not into a database of yours; set source.enabled, or test.enabled to false" -}}
{{- end -}}
{{- if .Values.test.enabled -}}
  {{- range list "hdfs" "metastore" "hive" "mongodb" "redis" "ledger" -}}
    {{- $part := index $.Values . -}}
    {{- if not (or $part.enabled $part.existing.host) -}}
      {{- $all = append $all (printf "test.enabled: the test's flow passes through %s, which is neither installed nor named; set %s.enabled or %s.existing.host, or test.enabled to false" . . .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}
