/**
 * The page's words, in the language chosen.
 *
 * @module
 */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Language } from "../preferences.ts";
import { en, type Texts } from "./en.ts";
import { zh } from "./zh.ts";

export type { Texts } from "./en.ts";

/** The dictionaries. */
export const TEXTS: Readonly<Record<Language, Texts>> = { en, zh };

/** The dictionary in use. */
export const TextsContext = createContext<Texts>(en);

/** The dictionary in use. */
export function useTexts(): Texts {
  return useContext(TextsContext);
}
