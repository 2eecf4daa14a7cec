import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { didYouMean } from '#kit/did-you-mean.ts'
import { Name } from '#model/names.ts'
import { mostLevels, type TreeProblem } from '#model/project-tree.ts'
import { Project as ProjectRow, type Project } from '#model/project.ts'
import { dryRunQuery } from '#api/dry-run.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, jsonBody, type Api } from '#api/openapi.ts'
import { notFound, Problem } from '#api/problem.ts'
import { money } from '#api/show.ts'
import { ProjectList, ProjectRequest, ProjectView } from '#api/project-views.ts'
import { matchHeader, projectTag, requireMatch, tagged } from '#api/tags.ts'

const list = createRoute({
  method: 'get',
  path: '/v1/projects',
  tags: ['projects'],
  summary: 'Projects with their quota, budget and policy.',
  responses: answers(200, ProjectList, 'All projects.'),
})

const params = z.object({ project: Name })

const get = createRoute({
  method: 'get',
  path: '/v1/projects/{project}',
  tags: ['projects'],
  summary: 'One project.',
  request: { params },
  responses: tagged(answers(200, ProjectView, 'The project.')),
})

const put = createRoute({
  method: 'put',
  path: '/v1/projects/{project}',
  tags: ['projects'],
  summary: 'Make a project, or change what is given of it.',
  request: { params, query: z.object(dryRunQuery), headers: matchHeader, body: jsonBody(ProjectRequest) },
  responses: tagged(answers(200, ProjectView, 'The project.')),
})

export function projectRoutes(app: Api, house: ApiHouse): void {
  app.openapi(list, async (c) => {
    const projects = await house.store.projects.list()
    return c.json({ items: await projectViews(house, projects) }, 200)
  })

  app.openapi(get, async (c) => {
    const name = c.req.valid('param').project
    const projects = await house.store.projects.list()
    const project = projects.find((one) => one.name === name) ?? missing(name, projects)
    c.header('ETag', projectTag(project))
    return c.json(await projectView(house, project), 200)
  })

  app.openapi(put, async (c) => {
    const name = c.req.valid('param').project
    const given = Object.fromEntries(Object.entries(c.req.valid('json')).filter(([, value]) => value !== undefined))
    const project = await house.store.projects.change(name, (present) => {
      const wanted = ProjectRow.parse({ ...present, ...given, name })
      refuseWrong(wanted)
      const what = { name: `project "${name}"`, look: `isobar projects show ${name}` }
      requireMatch(c.req.valid('header'), present && projectTag(present), what)
      return wanted
    })
    if ('problem' in project) throw noTree(project)
    c.header('ETag', projectTag(project))
    return c.json(await projectView(house, project), 200)
  })
}

function missing(name: string, projects: Project[]): never {
  const near = didYouMean(
    name,
    projects.map((project) => project.name),
  )
  throw notFound(`There is no project "${name}"${near ? `; did you mean "${near}"?` : '.'}`, 'isobar projects')
}

function refuseWrong(project: Project): void {
  const { name, parent, borrowing, lending } = project
  const next = [`isobar projects show ${name}`]
  const alone = Object.keys({ ...borrowing, ...lending }).length > 0 && parent === null
  if (alone)
    throw new Problem(
      'usage',
      `Project "${name}" has no parent, so there is nobody to borrow from or to lend to. Give it one, or remove borrowing and lending.`,
      { next },
    )
}

function noTree(problem: TreeProblem): Problem {
  switch (problem.problem) {
    case 'no-parent':
      return notFound(
        `There is no project "${problem.parent}" that could be the parent of "${problem.name}".`,
        `isobar projects set ${problem.parent}`,
      )
    case 'circle':
      return new Problem('conflict', `A project cannot be part of itself: ${problem.path.join(' is part of ')}.`, {
        next: ['isobar projects list'],
      })
    case 'too-deep':
      return new Problem('conflict', `Project "${problem.name}" would be more than ${mostLevels} levels deep.`, {
        next: ['isobar projects list'],
      })
  }
}

async function projectView(house: ApiHouse, project: Project): Promise<ProjectView> {
  const [view] = await projectViews(house, [project])
  return ProjectView.parse(view)
}

async function projectViews(house: ApiHouse, projects: Project[]): Promise<ProjectView[]> {
  const spent = await house.store.ledger.spent(
    'project',
    projects.map(({ name }) => name),
    house.clock.now(),
  )
  return projects.map(({ budgetMicros, ...project }) => ({
    ...project,
    budget: budgetMicros === null ? null : money(budgetMicros),
    spent: money(spent.get(project.name) ?? 0n),
  }))
}
