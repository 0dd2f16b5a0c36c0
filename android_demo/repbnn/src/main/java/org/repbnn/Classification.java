package org.repbnn;

/** One class and how sure the network is of it. Immutable. */
public final class Classification {
    private final int index;
    private final String label;
    private final float score;

    /** For this library, and for an app's tests. */
    public Classification(int index, String label, float score) {
        this.index = index;
        this.label = label;
        this.score = score;
    }

    /** The class' place in the output. */
    public int getIndex() {
        return index;
    }

    /** The class' name; "class 7" where the file has no names. */
    public String getLabel() {
        return label;
    }

    /** A probability, 0 to 1. */
    public float getScore() {
        return score;
    }

    @Override
    public String toString() {
        return label + " " + score;
    }
}
