#!/bin/sh
# hdfs, yarn, mapred, hadoop, hive, beeline, schematool: each starts one JVM with the class path of its Maven module. What
# charts and people use of Apache's scripts, whose shell library is in no registry: the same commands, the same variables
# (HADOOP_CONF_DIR, HIVE_CONF_DIR, HADOOP_HEAPSIZE, HADOOP_OPTS, HADOOP_CLIENT_OPTS, HADOOP_CLASSPATH, HDFS_NAMENODE_OPTS …).
set -eu
home=/opt/hadoop
program=${0##*/}
hadoop_conf=${HADOOP_CONF_DIR:-$home/etc/hadoop}
hive_conf=${HIVE_CONF_DIR:-/opt/hive/conf}
packages=java.base/java
refuse() {
    echo "$program: $1" >&2
    exit 2
}
if [ "${1:-}" = --config ]; then
    hadoop_conf=$2
    shift 2
fi

hdfs_classes() {
    module=hadoop
    case $1 in
    namenode) main=server.namenode.NameNode ;;
    secondarynamenode) main=server.namenode.SecondaryNameNode ;;
    datanode) main=server.datanode.DataNode ;;
    journalnode) main=qjournal.server.JournalNode ;;
    zkfc) main=tools.DFSZKFailoverController ;;
    balancer) main=server.balancer.Balancer ;;
    dfsadmin) main=tools.DFSAdmin ;;
    haadmin) main=tools.DFSHAAdmin ;;
    fsck) main=tools.DFSck ;;
    getconf) main=tools.GetConf ;;
    dfs) hadoop_classes fs && return ;;
    *) hadoop_classes "$1" && return ;;
    esac
    main=org.apache.hadoop.hdfs.$main
}
hadoop_classes() {
    module=hadoop
    case $1 in
    fs) main=org.apache.hadoop.fs.FsShell ;;
    version) main=org.apache.hadoop.util.VersionInfo ;;
    jar) main=org.apache.hadoop.util.RunJar ;;
    key) main=org.apache.hadoop.crypto.key.KeyShell ;;
    credential) main=org.apache.hadoop.security.alias.CredentialShell ;;
    classpath) main=classpath ;;
    *.*) main=$1 ;;
    *) refuse "no such command: '$1'" ;;
    esac
}
yarn_classes() {
    module=yarn
    case $1 in
    resourcemanager) main=server.resourcemanager.ResourceManager ;;
    nodemanager) main=server.nodemanager.NodeManager ;;
    application | app) main=client.cli.ApplicationCLI ;;
    node) main=client.cli.NodeCLI ;;
    queue) main=client.cli.QueueCLI ;;
    logs) main=client.cli.LogsCLI ;;
    rmadmin) main=client.cli.RMAdminCLI ;;
    *) hadoop_classes "$1" && module=yarn && return ;;
    esac
    main=org.apache.hadoop.yarn.$main
}
mapred_classes() {
    module=yarn
    case $1 in
    historyserver) main=v2.hs.JobHistoryServer ;;
    job) main=CLI ;;
    *) hadoop_classes "$1" && module=yarn && return ;;
    esac
    main=org.apache.hadoop.mapreduce.$main
    [ "$1" != job ] || main=org.apache.hadoop.mapred.JobClient
}
hive_service() {
    module=hive
    case $1 in
    metastore) main=org.apache.hadoop.hive.metastore.HiveMetaStore ;;
    hiveserver2) main=org.apache.hive.service.server.HiveServer2 ;;
    version) main=org.apache.hive.common.util.HiveVersionInfo ;;
    *) refuse "no such service: '$1'; metastore, hiveserver2 and version are there" ;;
    esac
}

own_options=""
case $program in
hdfs | hadoop | yarn | mapred)
    [ $# -gt 0 ] || refuse "name a command: '$program version', for example"
    "${program}_classes" "$1"
    # HDFS_NAMENODE_OPTS, YARN_RESOURCEMANAGER_OPTS …
    variable=$(printf '%s_%s_OPTS' "$program" "$1" | tr 'a-z.-' 'A-Z__')
    eval "own_options=\${$variable:-}"
    command=$1
    shift
    ;;
hive)
    command=""
    while [ $# -gt 0 ]; do
        case $1 in
        --skiphadoopversion | --skiphbasecp) shift ;;
        --service)
            command=$2
            shift 2
            ;;
        *) break ;;
        esac
    done
    [ -n "$command" ] || refuse "name a service: hive --service metastore, or hiveserver2"
    hive_service "$command"
    ;;
schematool)
    module=hive
    command=schematool
    main=org.apache.hadoop.hive.metastore.tools.schematool.MetastoreSchemaTool
    export METASTORE_HOME=${METASTORE_HOME:-/opt/hive}
    ;;
beeline) # sqlline, which Beeline was made of, with Hive's driver
    module=jdbc
    command=beeline
    main=sqlline.SqlLine
    set -- -d org.apache.hive.jdbc.HiveDriver -n "${USER:-switchyard}" -p '' "$@"
    ;;
*) refuse "call it by the name of a command: hdfs, yarn, mapred, hadoop, hive, beeline, schematool" ;;
esac

# hadoop-hdfs has no web pages, and its servers want the directories: $home/web
path=$hadoop_conf:$home/web:$(cat "$home/classpath/$module")
if [ "$module" != hadoop ] && [ "$module" != yarn ]; then
    path=$hive_conf:$path
fi
# Tez in HiveServer2's own JVM copies the jar of this class to every task; on YARN tasks need the real one.
if [ "$command" = hiveserver2 ] && grep -qs '<name>tez.local.mode</name><value>true</value>' "$hive_conf/hive-site.xml"; then
    path=$home/hive-task.jar:$path
fi
path=$path${HADOOP_CLASSPATH:+:$HADOOP_CLASSPATH}
if [ "$main" = classpath ]; then
    echo "$path"
    exit 0
fi

options="-XX:-UsePerfData -XX:+ExitOnOutOfMemoryError -Djava.net.preferIPv4Stack=true -Dfile.encoding=UTF-8 -Duser.timezone=UTC"
for package in lang lang.reflect util util.concurrent util.concurrent.atomic util.regex io net nio time; do
    options="$options --add-opens=$packages.$package=ALL-UNNAMED"
done
heap=${HADOOP_HEAPSIZE_MAX:-${HADOOP_HEAPSIZE:-}}
case $heap in
"") ;;
*[!0-9]*) options="$options -Xmx$heap" ;;
*) options="$options -Xmx${heap}m" ;;
esac
for file in "$hive_conf/$command-log4j2.properties" "$hive_conf/hive-log4j2.properties"; do
    if [ "$module" = hive ] && [ -e "$file" ]; then
        options="$options -Dlog4j2.configurationFile=$file"
        break
    fi
done
case $command in
namenode | datanode | journalnode | zkfc | secondarynamenode | resourcemanager | nodemanager | historyserver | metastore | hiveserver2) ;;
*) options="$options ${HADOOP_CLIENT_OPTS:-}" ;;
esac
export CLASSPATH="$path"
if [ "$command" = beeline ]; then # sqlline ends with 0 even when it could not connect; a probe has to be able to fail
    # shellcheck disable=SC2086
    output=$("$JAVA_HOME/bin/java" $options -Dorg.jline.terminal.dumb=true ${HADOOP_OPTS:-} "$main" "$@" 2>&1) || true
    printf '%s\n' "$output"
    ! printf '%s\n' "$output" | grep -q '^Error: \|^No current connection\|^Exception in thread'
    exit
fi
# shellcheck disable=SC2086  (lists of options)
exec "$JAVA_HOME/bin/java" $options ${HADOOP_OPTS:-} $own_options "$main" "$@"
