import { join } from 'node:path'

/** What a workload of the torture must have come to. */
export type Expected = {
  name: string
  state: 'succeeded' | 'failed'
  exitCode: number
  ranks: number
  tasks: number
  /** It was never answered that it is there: it may be, once. */
  maybe?: true
}

export type Work = { text: string; expected: Expected[] }

type Asked = {
  scratch: string
  count: number
  draw: () => number
  /** Names are this and a number, the first of which is `from`. */
  prefix?: string
  from?: number
  mostSeconds?: number
}

/** Where the work leaves its marks. */
export const marksOf = (scratch: string): string => join(scratch, 'marks')

/** Jobs of one to three ranks with exit codes of their own, and arrays, that mark each start and each end in one file and in their logs. */
export function someWork({ scratch, count, draw, prefix = 'w', from = 0, mostSeconds = 3.2 }: Asked): Work {
  const mark = (what: string, when: string) => `echo "${what} ${when}" | tee -a ${marksOf(scratch)}`
  const expected: Expected[] = []
  const documents = Array.from({ length: count }, (_, k) => {
    const i = from + k
    const name = `${prefix}${i}`
    const head = (kind: string, more: string) =>
      `kind: ${kind}\nname: ${name}\n${more}env: { TORTURE: ${JSON.stringify(scratch)} }\nretry: { onLoss: 1000 }\n`
    if (i % 20 === 19) {
      expected.push({ name, state: 'succeeded', exitCode: 0, ranks: 0, tasks: 20 })
      const what = `${name} attempt $ISOBAR_ATTEMPT task $ISOBAR_TASK_INDEX`
      const script = `  ${mark(what, 'start')}\n  sleep 0.1\n  ${mark(what, 'end')}\n`
      return `${head('array', 'tasks: 20\nparallelism: 4\n')}resources: { cpus: 0.25, memory: 32MB }\nrun: |\n${script}`
    }
    const seconds = (0.2 + draw() * (mostSeconds - 0.2)).toFixed(2)
    const exitCode = i % 5 === 4 ? 7 : 0
    const ranks = i % 20 === 13 ? 3 : i % 10 === 3 ? 2 : 1
    expected.push({ name, state: exitCode === 0 ? 'succeeded' : 'failed', exitCode, ranks, tasks: 0 })
    const what = `${name} attempt $ISOBAR_ATTEMPT rank $ISOBAR_RANK`
    const script = `  ${mark(what, 'start')}\n  sleep ${seconds}\n  ${mark(what, 'end')}\n  exit ${exitCode}\n`
    return `${head('job', `nodes: ${ranks}\n`)}resources: { cpus: 0.5, memory: 64MB }\nrun: |\n${script}`
  })
  return { text: documents.join('---\n'), expected }
}
