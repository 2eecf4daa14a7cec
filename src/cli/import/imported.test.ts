import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { readSpecs } from '#model/spec/read.ts'
import type { Spec } from '#model/spec/spec.ts'

import { type Imported, importSpecs } from './imported.ts'

const folder = fileURLToPath(new URL('../../../examples/import', import.meta.url))
const entrypoint = 'vllm serve'

function imported(text: string, filename = 'file.yaml'): Imported {
  const read = importSpecs({ text, filename, entrypoint })
  assert.ok(!('problems' in read), JSON.stringify('problems' in read && read.problems))
  return read
}
const example = (name: string): Imported => imported(readFileSync(join(folder, name), 'utf8'), name)

function specsOf({ text }: Imported): Spec[] {
  const read = readSpecs(text, 'spec.yaml')
  assert.ok('specs' in read)
  return read.specs.map(({ spec }) => spec)
}
function specOf<K extends Spec['kind']>(read: Imported, kind: K): Extract<Spec, { kind: K }> {
  const [spec, ...others] = specsOf(read)
  assert.deepEqual([spec?.kind, others], [kind, []])
  return spec as Extract<Spec, { kind: K }> // its kind was looked at
}
const problemsOf = (text: string, more: { entrypoint?: string } = {}) => {
  const read = importSpecs({ text, filename: 'file.yaml', ...more })
  assert.ok('problems' in read, 'it was read')
  return read.problems
}
/** Path and line of each note. */
const places = ({ notes }: Imported, what: 'left out' | 'changed'): string[] =>
  notes.filter((note) => note.what === what).map(({ line, path }) => `${line} ${path}`)
const pod = 'spec.template.spec.'

test('every example is read into specs that are right, and each note has a place and a fix', () => {
  const files = globSync('*', { cwd: folder })
  assert.ok(files.length >= 9)
  for (const file of files) {
    const read = example(basename(file))
    assert.ok(specsOf(read).length > 0)
    const lines = readFileSync(join(folder, file), 'utf8').split('\n')
    for (const { line, column, message, fix } of read.notes) {
      assert.ok((lines[line - 1]?.length ?? 0) >= column, `${file}:${line}:${column}`)
      assert.ok(message.length > 0 && fix.length > 0)
    }
  }
})

test('an Indexed Job whose pods run together is a gang, guest of a queue of Kueue', () => {
  const read = example('gang.yaml')
  const spec = specOf(read, 'job')
  assert.equal(spec.name, 'pretrain')
  assert.equal(spec.nodes, 4)
  assert.deepEqual(spec.resources.accelerators, [{ model: 'H100', count: 8 }])
  assert.deepEqual(spec.resources.cpuMilli, { count: 96_000, atLeast: true })
  assert.deepEqual(spec.resources.memoryMiB, { count: 1800 * 1024, atLeast: true })
  assert.deepEqual([spec.resources.sharedMemoryMiB, spec.resources.network], [64 * 1024, { rdma: 'required' }])
  assert.deepEqual(spec.env, { LR: '0.0003' })
  assert.deepEqual(spec.secrets, ['HF_TOKEN'])
  assert.deepEqual(spec.placement.nodeLabels, { pool: 'train' })
  assert.deepEqual(spec.placement.tolerations, ['nvidia.com/gpu:NoSchedule'])
  assert.equal(spec.topology?.within, 'nvlink')
  assert.equal(spec.duration.maximumMs, 86_400_000)
  assert.equal(spec.checkpoint.graceMs, 120_000)
  assert.deepEqual(places(read, 'left out'), [
    '5 metadata.namespace',
    '15 spec.backoffLimit',
    `23 ${pod}subdomain`,
    `49 ${pod}containers[0].resources.limits.cpu`,
  ])
  assert.deepEqual(places(read, 'changed'), [
    '9 metadata.labels.kueue.x-k8s.io/queue-name',
    '13 spec.completions',
    `29 ${pod}tolerations[0]`,
    `37 ${pod}containers[0].args`,
    `44 ${pod}containers[0].env[1].valueFrom.secretKeyRef`,
  ])
})

test('a Job of which some pods run at a time is an array', () => {
  const spec = specOf(example('tasks.yaml'), 'array')
  assert.deepEqual([spec.name, spec.tasks, spec.parallelism], ['convert', 40, 5])
  assert.equal(spec.setup, 'pip install pillow')
  assert.match(spec.run, /^export JOB_COMPLETION_INDEX="\$ISOBAR_TASK_INDEX"\npython3 convert\.py /)
})

test('a JobSet is a gang with a role for each of its jobs', () => {
  const spec = specOf(example('job-set.yaml'), 'job')
  assert.deepEqual(
    spec.roles?.map(({ name, nodes }) => [name, nodes]),
    [
      ['driver', 1],
      ['worker', 8],
    ],
  )
  assert.deepEqual(spec.roles?.[1]?.resources.accelerators, [{ model: 'H200', count: 8 }])
  assert.match(spec.roles?.[1]?.run ?? '', /JOB_COMPLETION_INDEX="\$\(\(\(ISOBAR_RANK - 1\) % 4\)\)"/)
  assert.deepEqual(spec.placement.tiers, ['spot'])
})

test('a PyTorchJob is one gang where master and workers are alike, and what it leaves out of a second container is told', () => {
  const read = example('pytorch-job.yaml')
  const spec = specOf(read, 'job')
  assert.deepEqual([spec.nodes, spec.roles], [3, undefined])
  assert.deepEqual(
    spec.resources.accelerators.map(({ model, count }) => `${model}:${count}`),
    ['H100:8', 'A100:8'],
  )
  assert.equal(spec.resources.ordered, false)
  assert.match(spec.run, /^export WORLD_SIZE="\$NNODES"$/m)
  assert.match(spec.run, /^torchrun finetune\.py "--master=\$\{MASTER_ADDR\}"$/m)
  assert.ok(places(read, 'left out').some((place) => place.endsWith('Master.template.spec.containers[0]')))
})

test('a RayJob is a gang whose head runs the entry point', () => {
  const spec = specOf(example('ray-job.yaml'), 'job')
  assert.deepEqual(
    spec.roles?.map(({ name, nodes }) => [name, nodes]),
    [
      ['head', 1],
      ['gpu', 4],
    ],
  )
  assert.match(spec.roles?.[0]?.run ?? '', /ray start --head .*\n(?:.*\n)*python tune\.py --trials 100\n/)
  assert.match(spec.roles?.[1]?.run ?? '', /ray start --block --address=/)
})

test('a Deployment is a service that listens where it is told', () => {
  const read = example('deployment.yaml')
  const spec = specOf(read, 'service')
  assert.deepEqual([spec.replicas, spec.ports], [{ min: 3, max: 3 }, [8000]])
  assert.deepEqual(spec.readiness, { path: '/health', periodMs: 5000, timeoutMs: 1000, failures: 6 })
  assert.equal(spec.run, 'vllm serve --model "${MODEL}" --port "$PORT_8000" --max-model-len=8192')
  assert.deepEqual(spec.env, { MODEL: 'meta-llama/Llama-3.1-8B-Instruct' })
  assert.ok(places(read, 'left out').includes('8 items[1]'), 'the Service beside it')
})

test('a LeaderWorkerSet is a service of replicas with several nodes, the leader rank 0', () => {
  const spec = specOf(example('leader-worker-set.yaml'), 'service')
  assert.deepEqual([spec.nodes, spec.replicas.min, spec.ports], [2, 2, [8080]])
  assert.match(
    spec.run,
    /^if \[ "\$ISOBAR_RANK" = 0 \]; then\n[^]*--port "\$PORT_8080"[^]*\nelse\n[^]*ray start --block/,
  )
})

test('a batch script is a gang whose nodes all run it', () => {
  const read = example('train.sbatch')
  const spec = specOf(read, 'job')
  assert.deepEqual([spec.name, spec.nodes], ['llm-7b', 4])
  assert.deepEqual(spec.resources.accelerators, [{ model: 'H100', count: 8 }])
  assert.deepEqual(spec.resources.cpuMilli, { count: 96_000, atLeast: true })
  assert.equal(spec.duration.maximumMs, 2 * 86_400_000)
  assert.equal(spec.checkpoint.graceMs, 120_000)
  assert.equal(spec.topology?.exclusive, 'node')
  assert.match(spec.run, /^each_task python train\.py \\$/m)
  assert.match(spec.run, /^\[ "\$ISOBAR_RANK" != 0 \] \|\| python download\.py$/m)
  assert.deepEqual(places(read, 'left out'), [
    '8 --partition',
    '8 --account',
    '10 --dependency',
    '11 --output',
    '23 #SBATCH',
  ])
  const after = read.notes.find(({ path }) => path === '--dependency')
  assert.equal(after?.fix, 'isobar wait NAME --exit-code=remote && isobar run FILE', 'afterok: only if it succeeded')
})

test('a job array of Slurm is an array, its indices reckoned', () => {
  const spec = specOf(example('sweep.sbatch'), 'array')
  assert.deepEqual([spec.tasks, spec.parallelism], [5, 3])
  assert.match(spec.run, /^export SLURM_ARRAY_TASK_ID="\$\(\(1 \+ 2 \* ISOBAR_TASK_INDEX\)\)"$/m)
  assert.equal(spec.duration.maximumMs, 90 * 60_000)
  assert.deepEqual(spec.resources.memoryMiB, { count: 40 * 1024, atLeast: true })
  assert.deepEqual(spec.env, { SEED: '7' })
})

test('a heterogeneous job is a gang with roles, each with its own part of srun', () => {
  const [driver, worker] = specOf(example('parts.sbatch'), 'job').roles ?? []
  assert.deepEqual([driver?.nodes, worker?.nodes], [1, 2])
  assert.match(driver?.run ?? '', /python3 driver\.py\n:\n/)
  assert.match(worker?.run ?? '', /python3 worker\.py --seed 1\npython3 check\.py\n/)
})

test('a task of SkyPilot is a job, its secrets named and its variables set', () => {
  const read = example('skypilot.yaml')
  const spec = specOf(read, 'job')
  assert.deepEqual([spec.nodes, spec.workdir, spec.priority], [2, '.', 10])
  assert.deepEqual(
    spec.resources.accelerators.map(({ model, count }) => `${model}:${count}`),
    ['H100:8', 'H200:8'],
  )
  assert.deepEqual(spec.resources.network, { rdma: 'preferred' })
  assert.deepEqual(spec.env, { MODEL: 'llama', EPOCHS: '3' })
  assert.deepEqual(spec.secrets, ['HF_TOKEN'])
  assert.deepEqual(spec.retry, { onLoss: 20, onExit: [75], times: 3 })
  assert.deepEqual([spec.placement.tiers, spec.placement.maxPriceMicros], [['spot'], 60_000_000])
  assert.match(spec.run, /^export SKYPILOT_NODE_RANK="\$ISOBAR_RANK"$/m)
  assert.deepEqual(places(read, 'left out'), ['17 resources.autostop', '18 envs.RUN_ID', '20 file_mounts'])
})

test('a task of SkyPilot that serves is a service; a secret that stands in its file is told and never shown', () => {
  const spec = specOf(example('skypilot-service.yaml'), 'service')
  assert.deepEqual([spec.ports, spec.replicas.min, spec.readiness.path], [[8000], 2, '/health'])
  assert.equal(spec.resources.ordered, true)
  const { text, notes } = imported('run: x\nsecrets: { TOKEN: hush }\nresources: {accelerators: {V100:1, A100:1}}\n')
  assert.ok(!JSON.stringify([text, notes]).includes('hush'))
  assert.match(text, /V100:1\n.*A100:1/)
  const pipeline = imported('name: two\n---\nname: a\nrun: x\n---\nname: b\nrun: y\n')
  assert.deepEqual([pipeline.specs.length, pipeline.notes.length], [2, 1])
})

test('what a heterogeneous job and uneven tasks cannot keep is told', () => {
  const het = imported('#!/bin/sh\n#SBATCH --exclusive -N1\n#SBATCH hetjob\n#SBATCH -N2 --mem=0\nsrun a\n')
  assert.deepEqual(
    het.notes.filter(({ message }) => message.includes('topology')).map(({ line, path }) => `${line} ${path}`),
    ['2 --exclusive', '4 --mem'],
  )
  const uneven = imported('#!/bin/sh\n#SBATCH -N 2 -n 5\nsrun a\n')
  assert.ok(
    uneven.notes.some(({ path, message }) => path === '--ntasks' && message === 'each of the 2 nodes runs 3 tasks'),
  )
})

const job = (container: string, more = ''): string => `apiVersion: batch/v1
kind: Job
metadata: { name: j }
spec:
  template:
    spec:
      containers:
        - { ${container} }
${more}`

test('what has no command is refused with the option that gives one', () => {
  const [problem] = problemsOf(job('name: a, image: x'))
  assert.equal(problem?.line, 8)
  assert.match(problem?.fix ?? '', /--entrypoint/)
  const read = importSpecs({ text: job('name: a, image: x, args: [--port, "1"]'), filename: 'f', entrypoint: 'serve' })
  assert.equal('specs' in read && read.specs[0]?.run, 'serve --port 1')
})

test('several documents, a List and empty ones are all read; what is no workload is told', () => {
  const member = job('name: a, image: x, command: [b]').trimEnd().replaceAll('\n', '\n    ')
  const list = `kind: List\napiVersion: v1\nitems:\n  - ${member}\n`
  const claim = 'kind: PersistentVolumeClaim\nmetadata: { name: p }\n'
  const read = imported(`---\n---\n${job('name: a, image: x, command: [a]')}---\n${list}---\n${claim}`)
  assert.deepEqual(
    read.specs.map(({ run }) => run),
    ['a', 'b'],
  )
  assert.equal(read.notes.at(-1)?.message, 'a PersistentVolumeClaim is no workload')
})

test('what is wrong is said with its place, and bounds hold', () => {
  assert.match(problemsOf('kind: Job\n  a: b')[0]?.message ?? '', /indented further/)
  assert.match(problemsOf('hello')[0]?.message ?? '', /says no kind/)
  assert.match(problemsOf('')[0]?.message ?? '', /there is no workload/)
  assert.match(problemsOf('kind: Jobb')[0]?.message ?? '', /there is no workload/)
  const bomb = `a0: &a0 [x, x, x, x, x, x, x, x]\n${Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(8).fill(`*a${i}`).join(', ')}]\n`).join('')}kind: Job\n`
  assert.match(problemsOf(bomb)[0]?.message ?? '', /aliases repeat too many values/)
  assert.match(problemsOf(`kind: Job\nspec: ${'['.repeat(5000)}`)[0]?.message ?? '', /nested deeper/)
  assert.match(problemsOf('x'.repeat(10_000_001))[0]?.message ?? '', /the most is/)
  const many = job(
    'name: a, image: x, command: [a]',
    Array.from({ length: 1100 }, (_, i) => `  field${i}: 1\n`).join(''),
  )
  assert.match(problemsOf(many)[0]?.message ?? '', /more than anybody would read/)
  assert.match(problemsOf(`#!/bin/sh\n${'#SBATCH hetjob\n'.repeat(20)}true\n`)[0]?.message ?? '', /16 roles/)
  assert.match(problemsOf('#!/bin/sh\n#SBATCH --array=1-3 -N2\ntrue\n')[0]?.message ?? '', /one node/)
})

test('what could not be honoured never gets into a spec', () => {
  const env =
    '[{ name: ISOBAR_RANK, value: "1" }, { name: my.name, value: x }, { name: A, value: "1" }, { name: A, value: "2" }]'
  const read = imported(job(`name: a, image: x, command: [a], env: ${env}`))
  assert.deepEqual(specOf(read, 'job').env, { A: '2' })
  assert.equal(places(read, 'left out').length, 2)
  const odd = imported(
    job('name: a, image: x, command: [a], resources: { requests: { cpu: lots, memory: -1, nvidia.com/gpu: 0.5 } }'),
  )
  assert.equal(places(odd, 'left out').length, 3)
})

const ofJob = (text: string): string =>
  `kind: Job\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{command: [sh, -c, "${text}"]}]}}}`

test('what is made to be slow to read is read, or refused, without delay', () => {
  const texts = [
    `#!/bin/sh\n${'{srun '.repeat(600_000)}`,
    `#!/bin/sh\n${'srun "'.repeat(900)}`,
    `#!/bin/sh\n#SBATCH --array=${'1,'.repeat(500_000)}1\ntrue`,
    `#!/bin/sh\ntrue\n${'squeue '.repeat(300_000)}`,
    ofJob('$(A)$$'.repeat(300_000)),
    ofJob('a.'.repeat(1_000_000)),
    ofJob('a-'.repeat(1_000_000)),
    ofJob('-port'.repeat(100_000))
      .replace('Job', 'Deployment')
      .replace('command', 'ports: [{containerPort: 80}], command'),
  ]
  for (const text of texts) {
    const from = performance.now()
    importSpecs({ text, filename: 'file' })
    assert.ok(performance.now() - from < 20_000, text.slice(0, 80))
  }
})
