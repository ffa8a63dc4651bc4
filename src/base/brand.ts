/** `Base` that cannot be mixed up with another use of `Base`: `Brand<string, 'PeerId'>` is not a plain string. */
export type Brand<Base, Name extends string> = Base & { readonly __brand: Name };
