"""TF-IDF + logistic regression: what there was before encoders, and hard to beat where rows are many."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from benchmarks.peers.linear import balanced_head, head_targets, reply
from benchmarks.peers.protocol import Clock, Job, Reply, serve

_NO_SPACES = {"ja", "th", "zh"}  # languages that put no space between words


def tfidf(job: Job) -> Reply:
    """Words and pairs of words (characters where words are not spaced), class-balanced regression."""
    C = float(job.only("C").get("C", 10.0))
    clock = Clock()
    with clock.running():
        if _NO_SPACES & set(job.train_languages):
            vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
        else:
            vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = make_pipeline(vectors, balanced_head(job.kind, C))
        model.fit(job.texts, head_targets(job))
    return reply(job, clock, model.predict_proba)


if __name__ == "__main__":
    serve(tfidf, ("numpy", "scikit-learn"))
