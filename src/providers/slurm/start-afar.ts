import { quoted } from '#kit/quoted.ts'
import type { GangOrder } from '#model/gang-folder.ts'

import { agentEntry } from './agent-program.ts'

/**
 * What becomes the leader or a rank on a node that sees no disk of ours: it makes a folder of its own, brings the agent there
 * from a control plane, runs it, and removes the folder. It also removes those that were killed before they could.
 * curl and wget read the credential from a pipe and a file: no list of processes shows it.
 */
const start = `umask 077
around=\${TMPDIR:-/tmp}
for left in "$around"/isobar.*.??????; do
  owner=\${left#"$around"/isobar.}
  kill -0 "\${owner%%.*}" 2>/dev/null || rm -rf "$left" 2>/dev/null
done
mine=$(mktemp -d "$around/isobar.$$.XXXXXX") || exit 125
leave() { rm -rf "$mine" 2>/dev/null || { chmod -R u+rwx "$mine"; rm -rf "$mine"; }; }
trap leave EXIT
trap 'exit 143' TERM INT
fetch() {
  if command -v curl >/dev/null; then
    printf 'header = "authorization: Bearer %s"\\n' "$ISOBAR_CREDENTIAL" |
      curl -fsS -K - --connect-timeout 10 --max-time 900 "$1"
  else
    printf 'header = authorization: Bearer %s\\n' "$ISOBAR_CREDENTIAL" > "$mine/wgetrc"
    WGETRC=$mine/wgetrc wget -q --tries=1 --timeout=60 -O - "$1" </dev/null
  fi
}
bring() {
  for at in $ISOBAR_CONTROL_PLANES; do
    rm -f "$mine/cut"
    { fetch "$at/agent/v1/program" || : > "$mine/cut"; } | tar -xf - -C "$mine" && [ ! -e "$mine/cut" ] && return
  done
  return 1
}
tries=0
until bring; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || { echo "isobar: the agent could not be fetched from $ISOBAR_CONTROL_PLANES" >&2; exit 125; }
  sleep 3
done
trap : TERM INT
cd "$mine" || exit 125
export NODE_COMPILE_CACHE="$mine/compiled"
part=$1
case $part in
  rank) "$mine/node" "$mine/${agentEntry}" rank-afar "$mine" ;;
  *) "$mine/node" "$mine/${agentEntry}" lead-afar /bin/sh -c "$ISOBAR_START" isobar rank ;;
esac
`

/**
 * The script of such a job. The credential stands in it, and in no argument and no variable that a command of ours is
 * given: a shell that SSH leads to shows those to all. Slurm shows a script to whose it is, and to who runs the cluster.
 */
export const scriptAfar = ({ credential, controlPlanes }: GangOrder): string => `#!/bin/sh
export ISOBAR_CREDENTIAL=${quoted(credential)}
export ISOBAR_CONTROL_PLANES=${quoted(controlPlanes.join(' '))}
export ISOBAR_START=${quoted(start)}
exec /bin/sh -c "$ISOBAR_START" isobar lead
`
