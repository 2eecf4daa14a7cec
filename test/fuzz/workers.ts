import { fork } from 'node:child_process'

type Shares = { jobs: number; from: number; seeds: number; minutes: number }
type Program = {
  program: string
  args: string[]
  /** Called with what a worker says in the end. */
  take(sum: unknown): void
}

/**
 * Runs a program in some processes, each of which has its share of the seeds: it sends each seed that it has told, and in
 * the end what came of all. Interrupted, it says `stop` to each. A line for each that did not come to that end, with the
 * seeds that it has not told.
 */
export async function shareSeeds(
  { jobs, from, seeds, minutes }: Shares,
  { program, args, take }: Program,
): Promise<string[]> {
  const one = async (job: number): Promise<string[]> => {
    const its = Math.ceil((seeds - job) / jobs)
    if (its <= 0) return []
    const first = from + job
    const share = ['--jobs', '1', '--from', first, '--step', jobs, '--seeds', its, '--minutes', minutes]
    const child = fork(program, [...args, ...share.map(String)])
    const stop = () => void child.send('stop', () => undefined)
    process.once('SIGINT', stop)
    console.log(`worker ${child.pid ?? job} tells ${seedsText(first, jobs, its)}`)
    let told = 0
    let isDone = false
    child.on('message', (message) => {
      if (typeof message === 'number') return void told++
      isDone = true
      take(message)
    })
    const why = Promise.withResolvers<string>()
    child.on('error', (error) => why.resolve(`did not start: ${error.message}`))
    child.on('exit', (code, signal) => why.resolve(signal ? `was killed by ${signal}` : `ended with ${code}`))
    // All that it sent has been read by then, which is not so when it exits.
    const heard = new Promise((resolve) => child.on('disconnect', () => resolve(null)))
    const how = await why.promise
    process.off('SIGINT', stop)
    if (child.pid !== undefined) await heard
    return isDone
      ? []
      : [`worker ${child.pid ?? job} ${how}, and did not tell ${seedsText(first + told * jobs, jobs, its - told)}`]
  }
  return (await Promise.all(Array.from({ length: jobs }, (_, job) => one(job)))).flat()
}

/** Seeds as people read them, however many. */
function seedsText(first: number, step: number, count: number): string {
  const shown = Array.from({ length: Math.min(count, 20) }, (_, i) => first + i * step).join(' ')
  const more = count > 20 ? ` … ${first + (count - 1) * step}` : ''
  return `${count === 1 ? 'seed' : 'seeds'} ${shown}${more}`
}
