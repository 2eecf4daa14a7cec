/**
 * A matrix of floats (row-major) with its gradient, and the few operations that a transformer needs. Each operation
 * computes forwards at once and notes how to go backwards; `backward` plays the notes in reverse.
 */
export type Tensor = { rows: number; cols: number; data: Float32Array; grad: Float32Array }

export const zeros = (rows: number, cols: number): Tensor => ({
  rows,
  cols,
  data: new Float32Array(rows * cols),
  grad: new Float32Array(rows * cols),
})

let notes: (() => void)[] = []
const noted = (out: Tensor, note: () => void): Tensor => (notes.push(note), out)

/** Fills in the gradients of everything that led to `loss`, a 1 × 1 tensor. */
export function backward(loss: Tensor): void {
  loss.grad[0] = 1
  for (const note of notes.toReversed()) note()
  notes = []
}

/** a (m × k) times b (k × n). */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const out = zeros(a.rows, b.cols)
  const [m, k, n] = [a.rows, a.cols, b.cols]
  for (let i = 0; i < m; i++)
    for (let p = 0; p < k; p++) {
      const x = a.data[i * k + p]
      for (let j = 0; j < n; j++) out.data[i * n + j] += x * b.data[p * n + j]
    }
  return noted(out, () => {
    for (let i = 0; i < m; i++)
      for (let p = 0; p < k; p++) {
        const x = a.data[i * k + p]
        let sum = 0
        for (let j = 0; j < n; j++) {
          const g = out.grad[i * n + j]
          sum += g * b.data[p * n + j]
          b.grad[p * n + j] += x * g
        }
        a.grad[i * k + p] += sum
      }
  })
}

/** The sum of two tensors of one shape. */
export function add(a: Tensor, b: Tensor): Tensor {
  const out = zeros(a.rows, a.cols)
  for (let i = 0; i < out.data.length; i++) out.data[i] = a.data[i] + b.data[i]
  return noted(out, () => {
    for (let i = 0; i < out.grad.length; i++) {
      a.grad[i] += out.grad[i]
      b.grad[i] += out.grad[i]
    }
  })
}

export function relu(a: Tensor): Tensor {
  const out = zeros(a.rows, a.cols)
  for (let i = 0; i < out.data.length; i++) out.data[i] = Math.max(0, a.data[i])
  return noted(out, () => {
    for (let i = 0; i < out.grad.length; i++) if (a.data[i] > 0) a.grad[i] += out.grad[i]
  })
}

/** Each row divided by its root mean square (Zhang and Sennrich, 2019), without a learned gain. */
export function rmsNorm(a: Tensor): Tensor {
  const out = zeros(a.rows, a.cols)
  const n = a.cols
  const scale = new Float32Array(a.rows)
  for (let i = 0; i < a.rows; i++) {
    let squares = 0
    for (let j = 0; j < n; j++) squares += a.data[i * n + j] ** 2
    scale[i] = 1 / Math.sqrt(squares / n + 1e-5)
    for (let j = 0; j < n; j++) out.data[i * n + j] = a.data[i * n + j] * scale[i]
  }
  return noted(out, () => {
    for (let i = 0; i < a.rows; i++) {
      let dot = 0
      for (let j = 0; j < n; j++) dot += out.grad[i * n + j] * out.data[i * n + j]
      for (let j = 0; j < n; j++) {
        const at = i * n + j
        a.grad[at] += scale[i] * (out.grad[at] - (out.data[at] * dot) / n)
      }
    }
  })
}

/** Rows of `table` picked by `ids`: an embedding. */
export function pick(table: Tensor, ids: ArrayLike<number>): Tensor {
  const out = zeros(ids.length, table.cols)
  const n = table.cols
  for (let i = 0; i < ids.length; i++) out.data.set(table.data.subarray(ids[i] * n, ids[i] * n + n), i * n)
  return noted(out, () => {
    for (let i = 0; i < ids.length; i++) for (let j = 0; j < n; j++) table.grad[ids[i] * n + j] += out.grad[i * n + j]
  })
}

/**
 * Causal attention of several heads (Vaswani et al., 2017). q, k and v are (sequences · length) × width; a position
 * attends to itself and the earlier ones of its own sequence.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, shape: { length: number; heads: number }): Tensor {
  const { length, heads } = shape
  const out = zeros(q.rows, q.cols)
  const width = q.cols
  const size = width / heads
  const weights = new Float32Array(q.rows * heads * length)
  const dot = (x: Float32Array, i: number, y: Float32Array, j: number): number => {
    let sum = 0
    for (let d = 0; d < size; d++) sum += x[i + d] * y[j + d]
    return sum
  }
  // For each query position and head: where they start, where its sequence and its weights do, and its place in it.
  const spots = Array.from({ length: q.rows * heads }, (_, n) => {
    const [row, part] = [Math.floor(n / heads), (n % heads) * size]
    const last = row % length
    return { i: row * width + part, first: (row - last) * width + part, last, w: n * length }
  })
  for (const { i, first, last, w } of spots) {
    let top = -Infinity
    for (let t = 0; t <= last; t++)
      top = Math.max(top, (weights[w + t] = dot(q.data, i, k.data, first + t * width) / Math.sqrt(size)))
    let sum = 0
    for (let t = 0; t <= last; t++) sum += weights[w + t] = Math.exp(weights[w + t] - top)
    for (let t = 0; t <= last; t++) {
      weights[w + t] /= sum
      for (let d = 0; d < size; d++) out.data[i + d] += weights[w + t] * v.data[first + t * width + d]
    }
  }
  return noted(out, () => {
    for (const { i, first, last, w } of spots) {
      const g = new Float32Array(last + 1)
      let mean = 0
      for (let t = 0; t <= last; t++) mean += weights[w + t] * (g[t] = dot(out.grad, i, v.data, first + t * width))
      for (let t = 0; t <= last; t++) {
        const at = first + t * width
        const score = (weights[w + t] * (g[t] - mean)) / Math.sqrt(size)
        for (let d = 0; d < size; d++) {
          v.grad[at + d] += weights[w + t] * out.grad[i + d]
          q.grad[i + d] += score * k.data[at + d]
          k.grad[at + d] += score * q.data[i + d]
        }
      }
    }
  })
}

/** Mean cross-entropy, in nats, of rows of logits against the index that was right. */
export function crossEntropy(logits: Tensor, right: ArrayLike<number>): Tensor {
  const out = zeros(1, 1)
  const n = logits.cols
  const shares = new Float32Array(logits.data.length)
  for (let i = 0; i < logits.rows; i++) {
    const row = logits.data.subarray(i * n, i * n + n)
    const top = row.reduce((a, b) => Math.max(a, b))
    let sum = 0
    for (let j = 0; j < n; j++) sum += shares[i * n + j] = Math.exp(row[j] - top)
    for (let j = 0; j < n; j++) shares[i * n + j] /= sum
    out.data[0] -= Math.log(shares[i * n + right[i]]) / logits.rows
  }
  return noted(out, () => {
    for (let i = 0; i < logits.rows; i++)
      for (let j = 0; j < n; j++)
        logits.grad[i * n + j] += ((shares[i * n + j] - (j === right[i] ? 1 : 0)) / logits.rows) * out.grad[0]
  })
}
