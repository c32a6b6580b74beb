// Classifies image files: classify MODEL IMAGE...
#include <squeezenet.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct sqz_error err;
    struct sqz_context *context = NULL;
    struct sqz_classifier *classifier = NULL;
    enum sqz_status status = SQZ_OK;
    if (argc < 3) {
        fprintf(stderr, "usage: classify MODEL IMAGE...\n");
        return SQZ_E_USAGE;
    }
    if (sqz_context_new(0, &context, &err) ||
        sqz_classifier_open(context, argv[1], NULL, &classifier, &err)) {
        fprintf(stderr, "%s\n", err.text);
        sqz_context_free(context);
        return err.status;
    }
    for (int i = 2; i < argc; i++) {
        struct sqz_class_score best[3];
        int n = 3;
        if (sqz_classify_file(classifier, argv[i], best, &n, &err)) {
            fprintf(stderr, "%s\n", err.text); // one image that fails does not end the program
            status = err.status;
            continue;
        }
        printf("%s\n", argv[i]);
        for (int k = 0; k < n; k++)
            printf("  %5.1f %%  %s\n", 100 * best[k].probability, best[k].name);
    }
    sqz_classifier_free(classifier);
    sqz_context_free(context);
    return status;
}
