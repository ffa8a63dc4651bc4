/** Reads addresses as people write them. */
import type { Address } from './cluster-config.ts';

const HOST = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
const IPV6 = /^[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9]{1,16})?$/;
const PORT = /^[0-9]{1,5}$/;

/** An address, or the sentence that says why `text` is none; it goes on where the name of the field ends. */
export type ParsedAddress = { readonly address: Address } | { readonly problem: string };

/** Reads `host`, `host:port` or `[ipv6]:port`. */
export function parseAddress(text: string, defaultPort: number): ParsedAddress {
  const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracket !== null) return checked(bracket[1] ?? '', bracket[2], defaultPort, text, IPV6);
  const at = text.lastIndexOf(':');
  if (at < 0) return checked(text, undefined, defaultPort, text, HOST);
  if (text.indexOf(':') !== at) {
    return { problem: `is "${text}": an IPv6 address stands in brackets, such as "[${text}]:${defaultPort}".` };
  }
  return checked(text.slice(0, at), text.slice(at + 1), defaultPort, text, HOST);
}

/** True for an address that only processes of the same host reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(host);
}

/** True for the address that stands for all interfaces: one listens there and is reached elsewhere. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function checked(
  host: string,
  port: string | undefined,
  defaultPort: number,
  text: string,
  form: RegExp,
): ParsedAddress {
  if (!form.test(host))
    return { problem: `is "${text}", which is no address. Write host:port, such as "10.0.0.11:${defaultPort}".` };
  if (port === undefined) return { address: { host, port: defaultPort } };
  const number = PORT.test(port) ? Number(port) : 0;
  if (number < 1 || number > 65_535) return { problem: `is "${text}": a port is a number from 1 to 65535.` };
  return { address: { host, port: number } };
}
