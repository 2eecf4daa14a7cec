#!/bin/sh
# Process 1 of a node. What its programs write into folders of the system ends with its mounts, and what a kubelet would
# set for the whole machine it finds set.
set -e
folder=$1
for place in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$place"; done
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
  file=$folder/settings/${setting%=*}
  mkdir -p "${file%/*}"
  echo "${setting#*=}" > "$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
touch "$folder/is-up"
sleep infinity &
wait # for all that has lost its parent, too
