import { z } from 'zod'

import { Name } from '#model/names.ts'

// What the API says of the server itself, and to the gateway. Fields are added, never renamed or taken away.

const time = z.iso.datetime({ offset: true }).meta({ description: 'RFC 3339.' })

export const ServerView = z
  .object({
    version: z.string(),
    id: z.string(),
    url: z.string(),
    database: z.string().meta({ description: 'Where the store is, without its password.' }),
    since: time,
    controlPlanes: z.array(z.object({ id: z.string(), url: z.string() })),
  })
  .meta({ id: 'Server' })
export type ServerView = z.infer<typeof ServerView>

export const CheckView = z
  .object({
    name: z.string(),
    ok: z.boolean(),
    warning: z.boolean().optional().meta({ description: 'It is not ok, and everything works all the same.' }),
    detail: z.string(),
    fix: z.string(),
  })
  .meta({ id: 'Check' })
export type CheckView = z.infer<typeof CheckView>

export const DoctorView = z.object({ checks: z.array(CheckView) }).meta({ id: 'Doctor' })
export type DoctorView = z.infer<typeof DoctorView>

/** Where the ready replicas of a service are reached. */
const EndpointsView = z
  .object({
    project: Name,
    name: Name,
    endpoints: z.array(z.string()).meta({ description: 'host:port of each ready replica.' }),
  })
  .meta({ id: 'Endpoints' })

export const EndpointsList = z.object({ items: z.array(EndpointsView) }).meta({ id: 'EndpointsList' })
export type EndpointsList = z.infer<typeof EndpointsList>
