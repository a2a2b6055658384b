#!/bin/sh
# Ready means that HDFS keeps a file: one is written through this cluster's NameNode and DataNodes, and read again.
set -eu
file="/tmp/switchyard-ready/$HOSTNAME"
url="http://$NAMENODE_HTTP/webhdfs/v1$file"
user="user.name=$HADOOP_USER_NAME"
text="$HOSTNAME $(date +%s)"
# The NameNode answers with the DataNode to write to; a body sent to the NameNode would be lost.
datanode=$(curl -fsS -m 5 -o /dev/null -w '%{redirect_url}' -X PUT "$url?op=CREATE&overwrite=true&$user")
curl -fsS -m 10 -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary "$text" "$datanode"
back=$(curl -fsSL -m 10 "$url?op=OPEN&$user")
if [ "$back" != "$text" ]; then
    echo "$file was written and reads otherwise" >&2
    exit 1
fi
