#!/bin/sh
# Formats the NameNode's directory once, beside its final place, so that a format that was killed is begun again and
# nothing is ever formatted over; then serves it.
set -eu
data=${DATA:-/data}
if [ ! -e "$data/name" ]; then
    rm -rf "$data/name.new"
    hdfs namenode "-Ddfs.namenode.name.dir=file://$data/name.new" -format -nonInteractive
    mv "$data/name.new" "$data/name"
fi
exec hdfs namenode
