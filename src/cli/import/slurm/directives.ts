/** An option of sbatch as a script gives it. */
export type Directive = {
  /** The long name, without its dashes. */
  name: string
  /** Empty for an option that has none. */
  value: string
  /** As it is written. */
  written: string
  /** Offset in the text. */
  at: number
  /** Which part of a heterogeneous job it is for, from 0. */
  component: number
}

export type Script = {
  directives: Directive[]
  /** Parts of a heterogeneous job; 1 for others. */
  components: number
  /** `#SBATCH` below the first command, which Slurm does not read either. */
  late: number[]
  /** The program that reads the script, and its options. */
  interpreter: string[]
  /** Where the first command stands; at the end where there is none. */
  bodyAt: number
}

/** `c=name` pairs, divided by blanks, as a table. */
const table = (pairs: string): ReadonlyMap<string, string> =>
  new Map(pairs.split(/\s+/).map((pair) => [pair.charAt(0), pair.slice(2)]))

/** Letters of sbatch, and of srun where that has no other meaning for them. Source: sbatch(1), srun(1). */
const letters = table(
  'a=array A=account b=begin c=cpus-per-task C=constraint d=dependency D=chdir e=error F=nodefile G=gpus H=hold ' +
    'i=input J=job-name k=no-kill L=licenses m=distribution M=clusters n=ntasks N=nodes o=output O=overcommit ' +
    'p=partition q=qos Q=quiet s=oversubscribe S=core-spec t=time v=verbose V=version W=wait w=nodelist x=exclude ' +
    'h=help B=extra-node-info',
)
const lettersOfSrun = table(
  'E=preserve-env I=immediate K=kill-on-bad-exit l=label r=relative T=threads u=unbuffered W=wait-seconds ' +
    'X=disable-status Z=no-allocate',
)

/** Options without a value; those that may have one have it behind `=`. */
const flags: ReadonlySet<string> = new Set(
  (
    'hold no-kill overcommit quiet oversubscribe verbose version wait help exclusive requeue no-requeue contiguous ' +
    'parsable get-user-env ignore-pbs reboot spread-job test-only use-min-nodes usage nice propagate stepmgr ' +
    'kill-on-invalid-dep disable-stdout-job-summary label unbuffered kill-on-bad-exit pty overlap exact whole ' +
    'multi-prog no-allocate resv-ports preserve-env disable-status interactive container-mount-home ' +
    'no-container-mount-home container-writable container-readonly container-remap-root no-container-remap-root'
  ).split(' '),
)

/** The options of a batch script, and where its commands begin. */
export function readScript(text: string): Script {
  const script: Script = { directives: [], components: 1, late: [], interpreter: ['/bin/sh'], bodyAt: text.length }
  let at = 0
  for (const line of text.split('\n')) {
    const isBody = at >= script.bodyAt
    const isComment = line.trim() === '' || line.startsWith('#')
    if (at === 0 && line.startsWith('#!')) script.interpreter = line.slice(2).trim().split(/\s+/).filter(Boolean)
    else if (isDirective(line) && isBody) script.late.push(at)
    else if (isDirective(line)) readDirectives(line, at, script)
    else if (!isComment && !isBody) script.bodyAt = at
    at += line.length + 1
  }
  return script
}

const isDirective = (line: string): boolean => /^#SBATCH(\s|$)/.test(line)

/** A script without what is for Slurm alone. */
export function withoutDirectives(text: string): string {
  const lines = text.split('\n')
  const first = lines.findIndex((line) => line.trim() !== '' && !line.startsWith('#'))
  return lines
    .filter((line, index) => (first >= 0 && index >= first) || !(isDirective(line) || line.startsWith('#!')))
    .join('\n')
    .replace(/^\s*\n/, '')
    .trimEnd()
}

function readDirectives(line: string, at: number, script: Script): void {
  const words = wordsOf(line.slice('#SBATCH'.length), at + '#SBATCH'.length)
  const [first] = words
  if (first?.text === 'hetjob' || first?.text === 'packjob') {
    script.components++
    return
  }
  for (let index = 0; index < words.length; index++) {
    const word = words[index]
    if (!word || word.text.startsWith('#')) return
    const taken = optionOf(word.text, words[index + 1]?.text)
    if (taken.tookNext) index++
    script.directives.push({ ...taken.option, written: word.text, at: word.at, component: script.components - 1 })
  }
}

type Option = { name: string; value: string }

type Called = 'sbatch' | 'srun'

/** An option from its word, and whether the next word is its value. */
export function optionOf(
  word: string,
  next: string | undefined,
  by: Called = 'sbatch',
): { option: Option; tookNext: boolean } {
  const long = /^--([^=]+)(?:=(.*))?$/s.exec(word)
  if (!long && !/^-[A-Za-z]/.test(word)) return { option: { name: word, value: '' }, tookNext: false }
  const letter = word.charAt(1)
  const name =
    long?.[1] ?? (by === 'srun' ? lettersOfSrun.get(letter) : undefined) ?? letters.get(letter) ?? `-${letter}`
  const given = long ? long[2] : word.slice(2).replace(/^=/, '') || undefined
  if (given !== undefined || flags.has(name)) return { option: { name, value: given ?? '' }, tookNext: false }
  const isValue = next !== undefined && (!next.startsWith('-') || /^-\d/.test(next))
  return { option: { name, value: isValue ? next : '' }, tookNext: isValue }
}

/** Words of a line, quotes taken off, and where they stand. */
function wordsOf(line: string, start: number): { text: string; at: number }[] {
  return [...line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map((found) => ({
    text: found[0].replaceAll(/["']/g, ''),
    at: start + found.index,
  }))
}
