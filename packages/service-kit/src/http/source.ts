import type { FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'

/**
 * Where a request comes from, as far as it can be told apart: the IPv4 address, or the /64 of an IPv6 address, which one
 * customer has as a whole (RFC 6177).
 */
export const sourceOf = ({ ip }: Pick<FastifyRequest, 'ip'>): string => network(ip, { ipv4: 32, ipv6: 64 })

/** The same for logs: so much of it that attacks can be told apart, and not a person (/24, /48). */
export const maskedSourceOf = ({ ip }: Pick<FastifyRequest, 'ip'>): string => network(ip, { ipv4: 24, ipv6: 48 })

function network(ip: string, prefixes: { ipv4: number; ipv6: number }): string {
  if (!ipaddr.isValid(ip)) return 'unknown' // what a trusted proxy has passed on
  const address = ipaddr.process(ip)
  const prefix = prefixes[address.kind()]
  if (prefix === 32) return address.toString()
  const masked = `${address.toString()}/${prefix}`
  const base =
    address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(masked) : ipaddr.IPv6.networkAddressFromCIDR(masked)
  return `${base}/${prefix}`
}
