import type { Program } from '#providers/conformance.ts'

/** A shell script that does what a test of the conformance suite asks of a rank. */
export function scriptOf({ prints = [], until }: Program): string {
  const lines = prints.map((line) => `echo ${line}`)
  if (typeof until === 'number') return [...lines, `exit ${until}`].join('\n')
  if (until === 'told') return [...lines, 'exec sleep 1000'].join('\n')
  if (until === 'killed') return ["trap '' TERM", ...lines, 'while :; do sleep 0.1; done'].join('\n')
  return [...lines, `kill -${until.slice(3)} $$`].join('\n')
}
