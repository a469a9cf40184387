/**
 * Scripts that make a shell complete the commands, their options and the values of those.
 *
 * @module
 */
import type { Command } from "./commander.ts";

/** An option as a shell is to know it. */
interface Flag {
  readonly long: string;
  readonly short?: string;
  readonly text: string;
  /** The values it takes, if only these. */
  readonly choices: readonly string[];
  /** Whether a value follows it. */
  readonly takesValue: boolean;
}

/** A command as a shell is to know it. */
interface Described {
  readonly name: string;
  readonly text: string;
  readonly flags: readonly Flag[];
  /** What its argument may be, if only these; else it is a file. */
  readonly choices: readonly string[];
}

/** The shells that there is a script for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of them. */
export type Shell = typeof SHELLS[number];

/** The script for a shell, made of the program's own commands. */
export function completionScript(program: Command, shell: Shell): string {
  const commands = program.commands.map(describe);
  return { bash, zsh, fish }[shell](program.name(), commands);
}

function describe(command: Command): Described {
  const flags = command.createHelp().visibleOptions(command).map((option) => ({
    long: option.long!,
    short: option.short,
    text: option.description,
    choices: option.argChoices ?? [],
    takesValue: option.required || option.optional,
  }));
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  return { name: command.name(), text: command.summary(), flags, choices };
}

const words = ({ flags }: Described) =>
  flags.flatMap(({ long, short }) => [long, ...short ? [short] : []]).join(" ");

function bash(name: string, commands: readonly Described[]): string {
  const names = commands.map((command) => command.name);
  const values = commands.flatMap((command) =>
    command.flags.filter(({ takesValue }) => takesValue).map(({ long, choices }) =>
      `    ${command.name}:${long}) ${
        choices.length
          ? `COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$cur"))`
          : 'COMPREPLY=($(compgen -f -- "$cur"))'
      }; return ;;`
    )
  );
  const all = commands.map((command) =>
    `    ${command.name}) flags="${words(command)}"; choices="${command.choices.join(" ")}" ;;`
  );
  return `# Completion of ${name} in bash.
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  local command=\${COMP_WORDS[1]} flags= choices=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${names.join(" ")} --help --version" -- "$cur"))
    return
  fi
  case $command:$prev in
${values.join("\n")}
  esac
  case $command in
${all.join("\n")}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n $choices ]]; then
    COMPREPLY=($(compgen -W "$choices" -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -F _${name} ${name}
`;
}

/** Text in single quotes for zsh, in which brackets and colons of a description mean something. */
const zshText = (text: string) => text.replace(/[[\]:\\]/g, "\\$&").replace(/'/g, "'\\''");

function zsh(name: string, commands: readonly Described[]): string {
  const option = ({ long, text, choices, takesValue }: Flag) => {
    const value = choices.length ? `:value:(${choices.join(" ")})` : ":value:_files";
    return `'${long}${takesValue ? "=" : ""}[${zshText(text)}]${takesValue ? value : ""}'`;
  };
  const cases = commands.map((command) => {
    const rest = command.choices.length ? `(${command.choices.join(" ")})` : "_files";
    const specs = [...command.flags.map(option), `'*:argument:${rest}'`];
    return `    ${command.name})\n      _arguments ${specs.join(" \\\n        ")}\n      ;;`;
  });
  const list = commands.map(({ name, text }) => `    '${name}:${zshText(text)}'`);
  return `#compdef ${name}
# Completion of ${name} in zsh.
_${name}() {
  local -a commands
  commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    _arguments '--help[print help]' '--version[print the version]'
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "_${name}" ]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

const fishText = (text: string) => `'${text.replace(/['\\]/g, "\\$&")}'`;

function fish(name: string, commands: readonly Described[]): string {
  const lines = commands.flatMap((command) => {
    const within = `complete -c ${name} -n "__fish_seen_subcommand_from ${command.name}"`;
    return [
      `complete -c ${name} -n __fish_use_subcommand -f -a ${command.name} -d ${
        fishText(command.text)
      }`,
      ...command.flags.map(({ long, short, text, choices, takesValue }) =>
        [
          within,
          `-l ${long.slice(2)}`,
          short && (short.startsWith("--") ? `-l ${short.slice(2)}` : `-s ${short.slice(1)}`),
          takesValue && (choices.length ? `-x -a ${fishText(choices.join(" "))}` : "-r"),
          `-d ${fishText(text)}`,
        ].filter(Boolean).join(" ")
      ),
      ...command.choices.length ? [`${within} -f -a ${fishText(command.choices.join(" "))}`] : [],
    ];
  });
  return `# Completion of ${name} in fish.\n${lines.join("\n")}
complete -c ${name} -n __fish_use_subcommand -l version -s V -d 'print the version'
complete -c ${name} -l help -s h -d 'print help'
`;
}
