import { agentFiles as agentFolder } from '#model/agent-folder.ts'
import { keeperFiles } from '#model/keeper-folder.ts'
import type { Program } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { AgentFiles } from '#providers/agent-files.ts'
import { filesOfAgent, runAgent } from './agent-in-pod.ts'
import type { Programmed } from './groups.ts'
import { firstRank, folders, masterPort, objectName } from './names.ts'

/**
 * The files that the containers of a gang start from: the same for all, with one program for each kind of rank. They are
 * a Secret, since the environment may hold some. `keeps`: whether the site has a place for checkpoints. `agent`: ours,
 * for ranks that ask for tasks.
 */
export function filesOf(
  order: Programmed,
  { keeps, agent }: { keeps: boolean; agent: AgentFiles | null },
): Record<string, string> {
  const kinds = new Map<string, number[]>()
  for (const [index, { rank }] of order.ranks.entries()) {
    const key = JSON.stringify(order.programs[index])
    kinds.set(key, [...(kinds.get(key) ?? []), rank])
  }
  const files: Record<string, string> = {}
  const cases: string[] = []
  for (const [kind, [text, ranks]] of [...kinds].entries()) {
    const program = JSON.parse(text) as Program // written above
    files[`environment-${kind}`] = environmentOf(order, program, keeps)
    if (program.setup !== null && program.slots === 0) files[`setup-${kind}`] = program.setup
    files[`run-${kind}`] = program.slots > 0 ? runAgent : program.run
    if (program.bundle) files[`bundle-${kind}`] = `${program.bundle.hash} ${addressOf(program.bundle.url, order)}\n`
    cases.push(`${kind === kinds.size - 1 ? '*' : ranks.join('|')}) kind=${kind} ;;`)
  }
  const start = startScript(order.token, cases.join(' '))
  return { ...files, ...(agent && filesOfAgent(order, agent, keeps)), start }
}

/** The first line of a rank's log, by which it is known that nothing of it was dropped. */
export const markerOf = (token: string, rank: number | string): string => `isobar: rank ${rank} of ${token}\n`

/** Any control plane has it; the first is the one that launches. */
const addressOf = (url: string, { controlPlanes }: CredentialedOrder): string => new URL(url, controlPlanes[0]).href

/** What the spec says, and over it what Isobar promises, as lines of a shell. */
function environmentOf(order: Programmed, program: Program, keeps: boolean): string {
  const name = objectName(order.token)
  const isKept = program.checkpointStore !== undefined
  const root = isKept
    ? folders.checkpoints
    : keeps
      ? `${folders.checkpoints}/${order.workload}`
      : program.checkpointRoot
  const peers = order.groups.map(
    (group) =>
      `i=0; while [ "$i" -lt ${group.ranks.length} ]; do peers="$peers\${peers:+,}${group.name}-$i.${name}"; i=$((i + 1)); done`,
  )
  return [
    exported('MASTER_ADDR', `${name}-0.${name}`),
    exported('MASTER_PORT', String(masterPort)),
    exported('NNODES', String(order.ranks.length)),
    'export NODE_RANK="$1"',
    ...program.ports.map((port) => exported(`PORT_${port}`, String(port))),
    ...program.ports.slice(0, 1).map((port) => exported('PORT', String(port))),
    ...Object.entries(program.environment).map(([key, value]) => exported(key, value)),
    exported('ISOBAR_WORKLOAD', order.workload),
    exported('ISOBAR_ATTEMPT', String(order.attempt)),
    exported('ISOBAR_NODES', String(order.ranks.length)),
    // After the spec's own, which may have these names.
    'peers=',
    ...peers,
    'export ISOBAR_NODE_ADDRESSES="$peers"',
    'export ISOBAR_RANK="$1"',
    exported('ISOBAR_LEASE', order.token),
    ...(root === null ? [] : [`checkpoints=${quoted(root)}`]),
    `kept=${isKept ? 1 : ''}`,
    '',
  ].join('\n')
}

const exported = (key: string, value: string): string => `export ${key}=${quoted(value)}`

/** As one word of a shell, whatever is in it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** A container beside this one brings what was saved, and keeps what will be: the one is waited for, and so is the other. */
const keeping = `
if [ -n "$kept" ]; then
  until [ -e "$checkpoints/${keeperFiles.ready}" ]; do
    [ -z "$stopped" ] || exit 143
    [ -e "$checkpoints/${keeperFiles.failed}" ] && fail "$(cat "$checkpoints/${keeperFiles.failed}")"
    sleep 1
  done
fi
keep() {
  [ -n "$kept" ] || return 0
  : >"$checkpoints/${keeperFiles.ended}"
  until [ -e "$checkpoints/${keeperFiles.saved}" ]; do
    if [ -e "$checkpoints/${keeperFiles.unsaved}" ]; then
      echo "isobar: its last checkpoint is not kept: $(cat "$checkpoints/${keeperFiles.unsaved}")" >&2
      [ "$code" -ne 0 ] || code=125
      return 0
    fi
    sleep 1
  done
}`

/**
 * Runs in every container, by whatever POSIX shell the image has. It is process 1 there, to which alone Kubernetes sends
 * SIGTERM: it hands that on to the whole group, as an agent does, and ends with the exit code of the program.
 */
const startScript = (token: string, cases: string): string => `
program=${folders.program}
fail() { echo "this rank could not be started: $*" >&2; exit 125; }
set -- "$((${firstRank} + JOB_COMPLETION_INDEX))" # its rank, by a name that no environment overrides
echo "${markerOf(token, '$1').trim()}"
case "$1" in ${cases} esac
. "$program/environment-$kind"
cd ${folders.work} || fail "its folder is missing"

if [ -f "$program/bundle-$kind" ]; then
  read -r hash url <"$program/bundle-$kind"
  if command -v curl >/dev/null; then get() { curl -fsS -o "$2" "$1"; }
  elif command -v wget >/dev/null; then get() { wget -q -O "$2" "$1"; }
  elif command -v python3 >/dev/null; then get() { python3 -c 'import sys, urllib.request as r; r.urlretrieve(*sys.argv[1:])' "$1" "$2"; }
  else fail "its image has neither curl, wget nor python3 to fetch the workdir with"
  fi
  for pause in 1 2 4 8 16 0; do get "$url" ../bundle && break || sleep "$pause"; done
  command -v sha256sum >/dev/null && [ "$(sha256sum <../bundle)" != "$hash  -" ] && fail "the workdir could not be fetched"
  tar -xf ../bundle || fail "the workdir could not be unpacked"
  rm -f ../bundle
fi

stopped=
trap 'stopped=1; trap "" TERM; kill -TERM 0' TERM
${keeping}
if [ -n "\${checkpoints:-}" ]; then
  export ISOBAR_CHECKPOINT_DIR="$checkpoints/$ISOBAR_ATTEMPT"
  mkdir -p "$ISOBAR_CHECKPOINT_DIR" || fail "$ISOBAR_CHECKPOINT_DIR cannot be made"
  i=$((ISOBAR_ATTEMPT - 1))
  while [ "$i" -gt 0 ]; do
    [ -n "$(ls -A "$checkpoints/$i" 2>/dev/null)" ] && export ISOBAR_RESUME_DIR="$checkpoints/$i" && break
    i=$((i - 1))
  done
fi

step() {
  [ -z "$stopped" ] || exit 143
  /bin/sh "$1" & child=$!
  wait "$child"; code=$?
  if [ "$code" -eq 143 ] && [ -n "$stopped" ]; then # perhaps the signal ended the waiting only: then the child is still known
    wait "$child" 2>/dev/null; again=$?
    [ "$again" -eq 127 ] || code=$again
  fi
}
if [ -f "$program/setup-$kind" ]; then
  step "$program/setup-$kind"
  [ "$code" -eq 0 ] || exit "$code"
fi
step "$program/run-$kind"
[ -f ${folders.root}/${agentFolder.taken} ] && exit 143 # an agent that was told to leave, and nothing of its own doing
keep
exit "$code"
`
