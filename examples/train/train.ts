/**
 * Trains a small character-level transformer, data-parallel over the ranks of a gang, and survives being stopped or
 * lost at any moment: run it again, and it goes on from its last checkpoint to the very same losses.
 */
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { joinRanks } from './ranks.ts'
import { add, attention, backward, crossEntropy, matmul, pick, relu, rmsNorm, zeros, type Tensor } from './tensor.ts'

const { env } = process
const rank = Number(env.NODE_RANK ?? 0)
const steps = Number(env.STEPS ?? 300)
const saveEvery = Number(env.SAVE_EVERY ?? 50)
const [length, width, heads, layers, sequences] = [32, 32, 4, 2, 4]

// Every rank reads the same text and draws its own part of each batch from (step, rank): no history, no shared state.
const text = readFileSync(new URL('corpus.txt', import.meta.url), 'utf8')
const alphabet = [...new Set(text)].sort()
const corpus = Uint8Array.from(text, (letter) => alphabet.indexOf(letter))

/** A stream of numbers in [0, 1) that depends on its seed alone: a linear congruential generator (Knuth). */
function random(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1)
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
}

const initial = random(1)
/** All weights, in one order that every rank and every checkpoint shares. */
const weights: Tensor[] = []
function weight(rows: number, cols: number): Tensor {
  const tensor = zeros(rows, cols)
  for (let i = 0; i < rows * cols; i++) tensor.data[i] = (2 * initial() - 1) * Math.sqrt(3 / rows)
  weights.push(tensor)
  return tensor
}

const letters = weight(alphabet.length, width)
const places = weight(length, width)
const blocks = Array.from({ length: layers }, () => ({
  q: weight(width, width),
  k: weight(width, width),
  v: weight(width, width),
  out: weight(width, width),
  up: weight(width, 4 * width),
  down: weight(4 * width, width),
}))
const head = weight(width, alphabet.length)

/** Mean loss of predicting each letter from those before it. */
function lossOf(input: Uint8Array, target: Uint8Array): Tensor {
  const positions = input.map((_, i) => i % length)
  let x = add(pick(letters, input), pick(places, positions))
  for (const block of blocks) {
    const normed = rmsNorm(x)
    const seen = attention(matmul(normed, block.q), matmul(normed, block.k), matmul(normed, block.v), { length, heads })
    x = add(x, matmul(seen, block.out))
    x = add(x, matmul(relu(matmul(rmsNorm(x), block.up)), block.down))
  }
  return crossEntropy(matmul(rmsNorm(x), head), target)
}

const count = weights.reduce((sum, { data }) => sum + data.length, 0)

/** Copies all weights (or gradients) into one row of floats, or back. */
function copy(what: 'data' | 'grad', row: Float32Array, way: 'out' | 'in'): void {
  let at = 0
  for (const tensor of weights) {
    const part = row.subarray(at, (at += tensor[what].length))
    if (way === 'out') part.set(tensor[what])
    else tensor[what].set(part)
  }
}

// What a checkpoint holds, as one row of floats: the weights, Adam's two moments (Kingma and Ba, 2015), and the step.
const state = new Float32Array(3 * count + 1)
const [first, second] = [state.subarray(count, 2 * count), state.subarray(2 * count, 3 * count)]

function adam(step: number, gradient: Float32Array): void {
  const rate = 3e-3 * Math.min(1, step / 10)
  for (let i = 0; i < count; i++) {
    first[i] = 0.9 * first[i] + 0.1 * gradient[i]
    second[i] = 0.99 * second[i] + 0.01 * gradient[i] ** 2
    state[i] -= (rate * first[i]) / (1 - 0.9 ** step) / (Math.sqrt(second[i] / (1 - 0.99 ** step)) + 1e-8)
  }
  copy('data', state, 'in')
}

/** Writes the state under its final name only when it is whole, so that a reader never sees half a checkpoint. */
function save(step: number): void {
  const folder = env.ISOBAR_CHECKPOINT_DIR
  if (rank !== 0 || folder === undefined) return
  state[3 * count] = step
  mkdirSync(folder, { recursive: true })
  const name = join(folder, `step-${String(step).padStart(6, '0')}`)
  writeFileSync(`${name}.part`, new Uint8Array(state.buffer))
  renameSync(`${name}.part`, name)
  console.log(`saved step ${step}`)
}

/** Reads the newest whole checkpoint: this attempt's, or else that of the newest attempt that left one. */
function load(): void {
  const folders = [env.ISOBAR_CHECKPOINT_DIR ?? '', env.ISOBAR_RESUME_DIR ?? ''].filter(existsSync)
  const saved = folders.map((folder) => globSync(join(folder, 'step-??????')).toSorted().at(-1))
  const newest = saved.find((path) => path !== undefined)
  if (newest === undefined) return
  new Uint8Array(state.buffer).set(readFileSync(newest))
  console.log(`resumed from step ${state[3 * count]}`)
}

let stopping = false
process.once('SIGTERM', () => (stopping = true))

const ranks = await joinRanks(env)
copy('data', state, 'out')
if (rank === 0) load()
await ranks.broadcast(state)
copy('data', state, 'in')

// What the ranks average in each step: the gradients, the loss, and how many of them were told to stop. So they agree
// on the step after which all of them do.
const shared = new Float32Array(count + 2)
for (let step = state[3 * count] + 1; step <= steps; step++) {
  const draw = random(step * 1009 + rank)
  const starts = Array.from({ length: sequences }, () => Math.floor(draw() * (corpus.length - length - 1)))
  const cut = (shift: number) =>
    Uint8Array.from(starts.flatMap((at) => [...corpus.subarray(at + shift, at + shift + length)]))
  const loss = lossOf(cut(0), cut(1))
  backward(loss)
  copy('grad', shared, 'out')
  for (const { grad } of weights) grad.fill(0)
  shared[count] = loss.data[0]
  shared[count + 1] = stopping ? 1 : 0
  await ranks.mean(shared)
  adam(step, shared)
  if (rank === 0) console.log(`step ${step}/${steps} loss ${shared[count].toFixed(6)}`)
  const told = shared[count + 1] > 0
  if (told || step % saveEvery === 0 || step === steps) save(step)
  if (told) process.exit(143)
}
process.exit(0)
