/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reads the list of pipes in /proc over and over, as strictly as find.h does it, and tells of pipe 0's
 * status whenever it has changed: {"event":"status","input":"W","output":"-"}. Ends with its input. */
#include "find.h"

int main(int argc, char **argv)
{
    char line[255], field[5][16], junk[4], last[2][16] = { "", "" };
    long looks = 0;
    int rows;
    begin(argc, argv);
    for (; !told(); looks++) {
        FILE *list = fopen(PROC_LIST, "r");
        if (!list)
            fail("fopen " PROC_LIST);
        for (rows = -2; fgets(line, sizeof line, list); rows++) {
            if (!strchr(line, '\n'))
                unreadable(PROC_LIST, line);
            if (rows < 0)
                continue;
            if (sscanf(line, "%15[^\t\n]\t%15[^\t\n]\t%15[^\t\n]\t%15[^\t\n]\t%15[^\t\n]%3[^\n]", field[0], field[1],
                       field[2], field[3], field[4], junk) != 5 || atoi(field[0]) != rows)
                unreadable(PROC_LIST, line);
            if (rows || (!strcmp(field[2], last[0]) && !strcmp(field[4], last[1])))
                continue;
            strcpy(last[0], field[2]);
            strcpy(last[1], field[4]);
            say("{\"event\":\"status\",\"input\":\"%s\",\"output\":\"%s\"}", last[0], last[1]);
        }
        fclose(list);
        if (rows < 1)
            unreadable(PROC_LIST, "");
    }
    say("{\"event\":\"result\",\"looks\":%ld}", looks);
    return 0;
}
