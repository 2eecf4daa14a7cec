import { Project } from '#model/project.ts'
import { readProjects } from '#model/project-document.ts'
import { treeProblem } from '#model/project-tree.ts'
import { type Input, InputFault } from '#simulator/traces/input.ts'

/** Reads the projects of a file, as `isobar projects set` does: weights, trees, quotas, budgets and policies. */
export function readTerms(input: Input): Project[] {
  const read = readProjects(input.text, input.file)
  if ('problems' in read) throw new InputFault(read.problems)
  const { projects } = read
  const at = (text: string) => Math.max(0, input.text.indexOf(text))
  const problem = treeProblem(projects)
  if (!problem) return projects
  if (problem.problem === 'no-parent')
    throw input.wrong(
      at(problem.parent),
      `${problem.name}: there is no project ${problem.parent}`,
      'add it, or correct it',
    )
  if (problem.problem === 'circle')
    throw input.wrong(at('parent'), `${problem.path.join(' is part of ')}`, 'let one of them have no parent')
  throw input.wrong(at(problem.name), `${problem.name} is too far below the top of its tree`, 'leave out levels')
}

/** A project of which nothing is said. */
export const plainProject = (name: string, more: Partial<Project> = {}): Project => ({
  ...Project.parse({ name: 'any' }), // names in traces are not bound to the rules of names
  name,
  ...more,
})

/** What holds for each project that has jobs, and for those above it; who comes later in `said` counts. */
export function termsOf(names: readonly string[], said: readonly Project[]): Project[] {
  const terms = new Map(names.map((name) => [name, plainProject(name)]))
  for (const project of said) terms.set(project.name, project)
  return [...terms.values()]
}
