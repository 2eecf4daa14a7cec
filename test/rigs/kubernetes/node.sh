#!/bin/sh
# A machine in the machine: starts a program as process 1 of PID and mount namespaces of its own, beside a bridge and
# cgroups of its own, tells its pid, and removes all of it when the pipe from who started it breaks, however that ends.
#   node.sh FOLDER BRIDGE ADDRESS CGROUP
folder=$1 bridge=$2 address=$3 group=$4

ip link add "$bridge" type bridge && ip address add "$address" dev "$bridge" && ip link set "$bridge" up || exit 1
for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -e "$root/cgroup.procs" ] && mkdir "$root/$group"
  for file in cpuset.cpus cpuset.mems; do
    [ -e "$root/$file" ] && cat "$root/$file" > "$root/$group/$file" # in version 1 they start empty
  done
done 2> /dev/null

unshare --mount --pid --fork --kill-child=KILL --mount-proc sh "$(dirname "$0")/node-inside.sh" "$folder" &
outer=$!
echo "$outer"
read -r _

kill -KILL $outer # its child goes with it, and all of that namespace with the child
wait $outer 2> /dev/null
until [ -z "$(cat /sys/fs/cgroup/*/"$group"/cgroup.procs /sys/fs/cgroup/"$group"/cgroup.procs 2> /dev/null)" ]; do sleep 0.05; done
ip link delete "$bridge"
for try in 1 2 3 4 5 6 7 8 9 10; do
  find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2> /dev/null && break
  sleep 0.1
done
rm -rf "$folder"
