import { type KeeperOrder, keeperFiles } from '#model/keeper-folder.ts'
import type { AgentFiles } from '#providers/agent-files.ts'
import { packed } from './agent-in-pod.ts'
import type { Programmed } from './groups.ts'
import { firstRank, folders, objectName } from './names.ts'
import { containerSecurity } from './security.ts'

// Where a site keeps checkpoints in an object store, a container of ours stands beside each rank: it fetches and sends, so
// that the rank's image need know nothing of stores, nor the rank of keys (docs/decisions/058). It is a sidecar, which
// Kubernetes ends after the rank (Kubernetes 1.29 and later).

/** The first file of what runs there. */
export const keeperEntry = 'src/agent/keep-checkpoints.ts'
/** Of Docker's official images, the smallest with the Node that we need. */
const usualImage = 'node:24-alpine'
const keeperFolder = '/isobar/keeper'

export const keeperSecretName = (token: string): string => `${objectName(token)}-checkpoints`

/** Whether its checkpoints go to an object store: all ranks of a gang are at one site. */
const storeOf = ({ programs }: Pick<Programmed, 'programs'>) => programs[0]?.checkpointStore

export const isKept = (order: Pick<Programmed, 'programs'>): boolean => storeOf(order) !== undefined

/** `first`: the rank of pod 0 of its Job. */
type Made = { image: string | undefined; first: number; user: number | undefined }

/** What a pod has for its keeper; empty where it has none. */
export function keeperOf(order: Programmed, { image, first, user }: Made) {
  if (!isKept(order)) return { pod: {}, mounts: [], volumes: [] }
  const files = { name: 'work', mountPath: folders.checkpoints, subPath: 'checkpoints' }
  const keeper = {
    name: 'checkpoints',
    image: image ?? usualImage,
    restartPolicy: 'Always',
    command: ['node', '--disable-warning=ExperimentalWarning', `${keeperFolder}/keep.mjs`],
    env: [{ name: firstRank, value: String(first) }],
    // A rank may ask for all of a node: nothing is set aside for what is beside it, and parts in memory are few.
    resources: { requests: { cpu: '0', memory: '0' }, limits: { memory: '1Gi' } },
    ...containerSecurity({ user }),
    volumeMounts: [{ name: 'keeper', mountPath: keeperFolder, readOnly: true }, files],
  }
  return {
    pod: { initContainers: [keeper] },
    mounts: [files],
    volumes: [{ name: 'keeper', secret: { secretName: keeperSecretName(order.token) } }],
  }
}

/** What the keepers of a gang start from, with the keys of the store: no rank sees them. Null where it has none. */
export function keeperFilesOf(order: Programmed, { files, manifest }: AgentFiles): Record<string, string> | null {
  const store = storeOf(order)
  if (!store) return null
  const { workload, attempt, ranks } = order
  const asked: KeeperOrder = { store, workload, attempt, nodes: ranks.length, root: folders.checkpoints }
  return {
    keeper: packed({ 'package.json': manifest, ...Object.fromEntries(files) }),
    order: JSON.stringify(asked),
    'keep.mjs': start,
  }
}

const start = `import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gunzipSync } from 'node:zlib'

if (!process.features.typescript) {
  const why = 'the image that keeps checkpoints has Node ' + process.version + ', and Node 24 is needed\\nname another: checkpointsImage'
  const said = '${folders.checkpoints}/${keeperFiles.failed}'
  writeFileSync(said + '.part', why)
  renameSync(said + '.part', said)
  console.error(why)
  process.exit(1)
}
const folder = join(tmpdir(), 'isobar-keeper')
const files = JSON.parse(gunzipSync(Buffer.from(readFileSync(join(import.meta.dirname, 'keeper'), 'utf8'), 'base64')))
for (const [path, text] of Object.entries(files)) {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
const rank = Number(process.env.${firstRank}) + Number(process.env.JOB_COMPLETION_INDEX)
process.argv = [process.argv[0], '${keeperEntry}', join(import.meta.dirname, 'order'), String(rank)]
await import(pathToFileURL(join(folder, '${keeperEntry}')).href)
`
