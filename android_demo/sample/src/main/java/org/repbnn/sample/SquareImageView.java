package org.repbnn.sample;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.drawable.BitmapDrawable;
import android.util.AttributeSet;
import android.widget.ImageView;

/**
 * A picture as high as it is wide, corners rounded by its background, and low enough that what is seen in it stands
 * on the same screen. Small pictures keep their pixels.
 */
public final class SquareImageView extends ImageView {
    private static final int SMALL = 96;

    /** For the layout inflater. */
    public SquareImageView(Context context, AttributeSet attributes) {
        super(context, attributes);
        setClipToOutline(true);
    }

    @Override
    protected void onMeasure(int width, int height) {
        int window = getResources().getDisplayMetrics().heightPixels;
        int highest = Math.round(getResources().getFraction(R.fraction.picture, window, window));
        int side = Math.min(MeasureSpec.getSize(width), highest);
        setMeasuredDimension(side, side);
    }

    /** Shows a picture; one of a few pixels is what the network sees, so it is not blurred. */
    void show(Bitmap picture) {
        BitmapDrawable drawable = new BitmapDrawable(getResources(), picture);
        drawable.setFilterBitmap(picture.getWidth() > SMALL);
        setImageDrawable(drawable);
    }
}
