// squeezenet: finds the subcommand and runs it.
#include "cli/help.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command *find_command(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(name, c->name) == 0 || (c->alias && strcmp(name, c->alias) == 0))
            return c;
    return NULL;
}

static enum sqz_status unknown_command(const char *name)
{
    struct cli_nearest nearest = {.word = name};
    for (const struct cli_command *c = cli_commands; c->name; c++)
        cli_nearest_try(&nearest, c->name);
    if (nearest.best)
        return cli_complain(SQZ_E_USAGE, "There is no command \"%s\"; did you mean \"%s\"?",
                            cli_clean(name), nearest.best);
    return cli_complain(SQZ_E_USAGE, "There is no command \"%s\"; \"squeezenet help\" lists them.",
                        cli_clean(name));
}

static void list_commands(void)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        puts(c->name);
}

// Explains a command. The build asks for more: a list of the commands, manual pages,
// completions, and docs/options.md.
static enum sqz_status help(int argc, char **argv)
{
    const char *topic = argc > 2 ? argv[2] : "", *about = argc > 3 ? argv[3] : "";
    bool man = strcmp(topic, "man") == 0;
    const char *name = man ? about : topic;
    const struct cli_command *command = find_command(name);
    if (strcmp(topic, "commands") == 0)
        list_commands();
    else if (strcmp(topic, "options") == 0)
        cli_options_page();
    else if (strcmp(topic, "completion") == 0)
        return cli_completion(about);
    else if (*name && !command)
        return unknown_command(name);
    else if (man)
        cli_man_page(command);
    else if (command)
        cli_command_help(command);
    else
        cli_help();
    return SQZ_OK;
}

static enum sqz_status run(int argc, char **argv)
{
    if (argc < 2) {
        cli_help();
        return SQZ_E_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help(argc, argv);
    if (strcmp(argv[1], "--version") == 0) {
        printf("squeezenet %s\n", sqz_version());
        return SQZ_OK;
    }
    const struct cli_command *command = find_command(argv[1]);
    if (!command)
        return unknown_command(argv[1]);

    struct cli cli = {.command = command, .program = argv[0]};
    bool help_wanted = false;
    enum sqz_status status = cli_parse(&cli, argc - 2, argv + 2, &help_wanted);
    if (!status && help_wanted)
        cli_command_help(command);
    else if (!status)
        status = command->run(&cli);
    cli_release(&cli);
    return status;
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); // a file above `ulimit -f` then is an error that says so
    enum sqz_status status = run(argc, argv);
    // What an earlier flush has lost is told by the stream's error only.
    if ((fflush(stdout) != 0 || ferror(stdout)) && !status)
        status = cli_complain(SQZ_E_IO, "The output could not be written.");
    return (int)status;
}
