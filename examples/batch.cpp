// Classifies many images in one call, from C++: batch MODEL IMAGE...
#include <cstdio>
#include <memory>
#include <squeezenet.h>
#include <vector>

// The library's _free functions as deleters.
struct Free {
    void operator()(sqz_context *context) const { sqz_context_free(context); }
    void operator()(sqz_classifier *classifier) const { sqz_classifier_free(classifier); }
};
template <class T> using Handle = std::unique_ptr<T, Free>;

int main(int argc, char **argv)
{
    sqz_error err;
    sqz_context *context = nullptr;
    sqz_classifier *classifier = nullptr;
    if (argc < 3) {
        std::fprintf(stderr, "usage: batch MODEL IMAGE...\n");
        return SQZ_E_USAGE;
    }
    if (sqz_context_new(0, &context, &err)) {
        std::fprintf(stderr, "%s\n", err.text);
        return err.status;
    }
    Handle<sqz_context> owned_context(context);
    if (sqz_classifier_open(context, argv[1], nullptr, &classifier, &err)) {
        std::fprintf(stderr, "%s\n", err.text);
        return err.status;
    }
    Handle<sqz_classifier> owned_classifier(classifier);

    const std::size_t n = static_cast<std::size_t>(argc) - 2;
    std::vector<sqz_input> inputs(n, SQZ_INIT(sqz_input));
    std::vector<sqz_classify_result> results(n, SQZ_INIT(sqz_classify_result));
    std::vector<sqz_class_score> best(n);
    std::vector<sqz_error> errors(n);
    for (std::size_t i = 0; i < n; i++) {
        inputs[i].path = argv[i + 2];
        results[i].best = &best[i];
        results[i].best_count = 1;
        results[i].error = &errors[i];
    }
    sqz_classify_options options = SQZ_INIT(sqz_classify_options);
    options.timeout = 60; // seconds, of all images together
    const sqz_status status =
        sqz_classify_batch(classifier, inputs.data(), results.data(), n, &options, &err);
    for (std::size_t i = 0; i < n; i++) {
        if (results[i].status)
            std::printf("%s: %s\n", inputs[i].path, errors[i].text);
        else
            std::printf("%s: %s, %.1f %%\n", inputs[i].path, best[i].name,
                        100 * best[i].probability);
    }
    return status;
}
