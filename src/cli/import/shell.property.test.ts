import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { test } from 'node:test'

import * as fc from 'fast-check'
import { stringify } from 'yaml'

import { type Draft } from './draft.ts'
import { importSpecs } from './imported.ts'

// The commands of specs are run by /bin/sh, so that is who is asked whether they do what they did before.

function draftOf(text: string): Draft {
  const read = importSpecs({ text, filename: 'file' })
  assert.ok('specs' in read, JSON.stringify(read))
  const [draft = assert.fail()] = read.specs
  return draft
}
const jobOf = (container: object): Draft =>
  draftOf(
    stringify({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'j' },
      spec: { template: { spec: { containers: [{ name: 'a', image: 'x', ...container }] } } },
    }),
  )
const { PATH = '' } = process.env
const run = ({ run: script = '', env = {} }: Draft, more: Record<string, string> = {}, input = '') =>
  spawnSync('/bin/sh', ['-c', script], { env: { PATH, ...env, ...more }, input, encoding: 'utf8' })

const characters = fc.constantFrom(...'ab \'"\\$()`*;&|<>#~!{}[]?=%\n'.split(''), '$(A)', '$$', '$(NONE)', 'ü')
const words = fc.array(
  fc.array(characters, { maxLength: 6 }).map((parts) => parts.join('')),
  { maxLength: 4 },
)

/** What Kubernetes makes of a word: references to variables that are there, and `$$`. */
const expanded = (word: string, value: string): string =>
  word.replaceAll(/\$\$|\$\(([A-Za-z_]\w*)\)/g, (found, name) => (found === '$$' ? '$' : name === 'A' ? value : found))

test('a program gets the same words as in its container, whatever is in them', () => {
  fc.assert(
    fc.property(words, fc.array(characters, { maxLength: 4 }), (args, parts) => {
      const value = parts.join('').replaceAll(/\$/g, '')
      const draft = jobOf({ command: ['printf', '%s\\0'], args: ['-', ...args], env: [{ name: 'A', value }] })
      assert.deepEqual(
        run(draft).stdout.split('\0').slice(1, -1),
        args.map((word) => expanded(word, value)),
      )
    }),
    { seed: 5, numRuns: 60 },
  )
})

test('a script of bash is run by bash as it stands, with its standard input and its exit code', () => {
  const script = `set -euo pipefail\nx=(a "b c")\nprintf '<%s>' "\${x[@]}" $(A)\nEND=1\ncat\nexit 7\n`
  const draft = jobOf({ command: ['bash', '-c', script], env: [{ name: 'A', value: "it's" }] })
  assert.match(draft.run ?? '', /^exec bash \/dev\/fd\/3 3<<'END'\n/)
  const { stdout, status } = run(
    jobOf({ command: ['bash', '-c', script.replace('$(A)', '"$A"')], env: [{ name: 'A', value: "it's" }] }),
    {},
    'typed',
  )
  assert.deepEqual([stdout, status], ["<a><b c><it's>typed", 7])
})

test('what follows a script are its arguments, and a line END in it ends nothing', () => {
  assert.equal(run(jobOf({ command: ['sh', '-c', 'echo "$0-$1"', 'zero', 'one'] })).stdout, 'zero-one\n')
  assert.equal(run(jobOf({ command: ['bash', '-ec', 'cat <<END\nin\nEND\nfalse\necho never'] })).stdout, 'in\n')
})

const batchOf = (command: string): string =>
  `#!/bin/bash\n#SBATCH -N 2 --ntasks-per-node=3 --gpus-per-task=h100:2\nsrun --label ${command}\n`

test('srun starts as many tasks on each node, each with its own numbers, and fails as one of them does', () => {
  const rank = { ISOBAR_RANK: '1', ISOBAR_NODES: '2', ISOBAR_WORKLOAD: 'w', ISOBAR_ATTEMPT: '1' }
  const { stdout, stderr } = run(
    draftOf(batchOf(`sh -c 'echo $SLURM_PROCID $SLURM_LOCALID $CUDA_VISIBLE_DEVICES of $SLURM_NTASKS'`)),
    rank,
  )
  assert.deepEqual(stdout.trim().split('\n').sort(), ['3 0 0,1 of 6', '4 1 2,3 of 6', '5 2 4,5 of 6'], stderr)
  assert.equal(run(draftOf(batchOf(`sh -c 'exit $SLURM_LOCALID'`)), rank).status, 2)
})

test('calls of srun are found where a shell takes a command, and nowhere else', () => {
  const body = [
    'echo "srun in a text" # srun in a comment',
    'x=$(srun -n1 -N1 echo inner) && srun echo "$x"',
    'if srun --mpi=pmix true; then time srun -u \\\n  --kill-on-bad-exit=1 echo "after; it"; fi',
    'srun -n $SLURM_NTASKS echo all | cat',
  ]
  const { run: script = '' } = draftOf(`#!/bin/sh\n#SBATCH -N1\n${body.join('\n')}\n`)
  assert.match(script, /x=\$\(echo inner\) && echo "\$x"/)
  assert.match(script, /if true; then time echo "after; it"; fi/)
  assert.match(script, /^echo "srun in a text" # srun in a comment$/m)
  assert.equal(
    execFileSync('bash', ['-c', script], { encoding: 'utf8', env: { PATH }, stdio: ['ignore', 'pipe', 'ignore'] }),
    'srun in a text\ninner\nafter; it\nall\n',
  )
})
