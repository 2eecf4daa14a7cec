import { fail, succeed } from '#model/fault.ts'
import type { Site } from '#model/site.ts'
import type { Provider } from './provider.ts'

/** In place of the adapter of a site that is gone for good, as somebody said who knows: nothing is there, and nothing comes. */
export const createNowhere = (site: Site): Provider => ({
  name: site.provider,
  sites: () => [site],
  offers: async () => succeed([]),
  launch: async () => fail('invalid', 'elsewhere', `the site ${site.name} is gone`),
  get: async () => succeed(null),
  list: async () => succeed([]),
  retire: async () => succeed('gone'),
  logs: async () => fail('invalid', 'never', `the site ${site.name} is gone, and its logs with it`),
  abilities: {
    inventory: async () => succeed([]),
    remains: async () => succeed([]),
    clear: async () => succeed(null),
  },
})
