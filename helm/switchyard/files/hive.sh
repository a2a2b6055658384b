#!/bin/sh
# Starts one of Hive's servers in the foreground: metastore or hiveserver2.
set -eu
if [ -n "${TEZ_HOME:-}" ]; then
    export HADOOP_CLASSPATH="$TEZ_HOME/*:$TEZ_HOME/lib/*${HADOOP_CLASSPATH:+:$HADOOP_CLASSPATH}"
fi
exec hive --skiphadoopversion --skiphbasecp --service "$1"
