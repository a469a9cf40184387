/**
 * What a reader chose: the language and the theme. Kept in this browser.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";

/** The languages of the page. */
export const LANGUAGES = ["en", "zh"] as const;
/** A language of the page. */
export type Language = typeof LANGUAGES[number];

/** The themes; `auto` follows the system. */
export const THEMES = ["auto", "light", "dark"] as const;
/** A theme. */
export type Theme = typeof THEMES[number];

/** What is kept under a name; nothing where the browser keeps nothing for pages. */
function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then it is chosen anew the next time.
  }
}

function usePreference<T extends string>(
  name: string,
  choices: readonly T[],
  otherwise: T,
): [T, (value: T) => void] {
  const [value, setValue] = useState(() =>
    choices.find((choice) => choice === kept(name)) ?? otherwise
  );
  return [value, (next) => {
    keep(name, next);
    setValue(next);
  }];
}

/** The language: the one chosen, or the first of the browser's that the page has. */
export function useLanguage(): [Language, (language: Language) => void] {
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2));
  const spoken = LANGUAGES.find((language) => language === wanted.find(isLanguage)) ?? "en";
  const [language, setLanguage] = usePreference("language", LANGUAGES, spoken);
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : language;
  }, [language]);
  return [language, setLanguage];
}

function isLanguage(tag: string): tag is Language {
  return (LANGUAGES as readonly string[]).includes(tag);
}

/** The theme; pictures follow it through the page's `color-scheme`. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = usePreference("theme", THEMES, "auto");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return [theme, setTheme];
}
